//! Operations by name, with JSON in and out: for the control socket.

use serde_json::Value;

use super::accounts::{
    AddAccount, BatchAccounts, CompleteLogin, DisableAccount, EnableAccount, ExchangeAccount,
    ExplainRouting, ListAccounts, RefreshAccount, RemoveAccount, ShowAccount, StartLogin,
    TestAccount, UpdateAccount,
};
use super::audit::AuditAnchors;
use super::import::ApplyImport;
use super::keys::{
    CaptureKey, CreateKey, DisableKey, EnableKey, ExplainLimits, ListKeys, RevokeKey, RotateKey,
    ShowKey, UpdateKey,
};
use super::requests::{SearchRequests, ShowBodies, ShowRequest, TailRequests};
use super::store::{BackUpStore, WatchBackup};
use super::usage::{ChartUsage, ReportUsage};
use super::{ErrorCode, OpError, Operation, Operations};

/// Runs the operation called `name`.
///
/// # Errors
/// The operation's own; `NotAvailable` for a name that this version does not know; `Invalid` for an input of another
/// shape (whose message quotes no value).
pub async fn dispatch(ops: &Operations, name: &str, input: Value) -> Result<Value, OpError> {
    match name {
        AddAccount::NAME => run::<AddAccount>(ops, input).await,
        UpdateAccount::NAME => run::<UpdateAccount>(ops, input).await,
        BatchAccounts::NAME => run::<BatchAccounts>(ops, input).await,
        RefreshAccount::NAME => run::<RefreshAccount>(ops, input).await,
        StartLogin::NAME => run::<StartLogin>(ops, input).await,
        CompleteLogin::NAME => run::<CompleteLogin>(ops, input).await,
        ExchangeAccount::NAME => run::<ExchangeAccount>(ops, input).await,
        ExplainRouting::NAME => run::<ExplainRouting>(ops, input).await,
        ApplyImport::NAME => run::<ApplyImport>(ops, input).await,
        ListAccounts::NAME => run::<ListAccounts>(ops, input).await,
        ShowAccount::NAME => run::<ShowAccount>(ops, input).await,
        TestAccount::NAME => run::<TestAccount>(ops, input).await,
        EnableAccount::NAME => run::<EnableAccount>(ops, input).await,
        DisableAccount::NAME => run::<DisableAccount>(ops, input).await,
        RemoveAccount::NAME => run::<RemoveAccount>(ops, input).await,
        CreateKey::NAME => run::<CreateKey>(ops, input).await,
        ListKeys::NAME => run::<ListKeys>(ops, input).await,
        ShowKey::NAME => run::<ShowKey>(ops, input).await,
        ExplainLimits::NAME => run::<ExplainLimits>(ops, input).await,
        UpdateKey::NAME => run::<UpdateKey>(ops, input).await,
        RotateKey::NAME => run::<RotateKey>(ops, input).await,
        EnableKey::NAME => run::<EnableKey>(ops, input).await,
        DisableKey::NAME => run::<DisableKey>(ops, input).await,
        RevokeKey::NAME => run::<RevokeKey>(ops, input).await,
        CaptureKey::NAME => run::<CaptureKey>(ops, input).await,
        ShowRequest::NAME => run::<ShowRequest>(ops, input).await,
        ShowBodies::NAME => run::<ShowBodies>(ops, input).await,
        SearchRequests::NAME => run::<SearchRequests>(ops, input).await,
        TailRequests::NAME => run::<TailRequests>(ops, input).await,
        AuditAnchors::NAME => run::<AuditAnchors>(ops, input).await,
        BackUpStore::NAME => run::<BackUpStore>(ops, input).await,
        WatchBackup::NAME => run::<WatchBackup>(ops, input).await,
        ReportUsage::NAME => run::<ReportUsage>(ops, input).await,
        ChartUsage::NAME => run::<ChartUsage>(ops, input).await,
        _ => Err(OpError::new(
            ErrorCode::NotAvailable,
            "the running gateway does not know this command; it may be of another version: restart it with this one",
        )),
    }
}

async fn run<O: Operation>(ops: &Operations, input: Value) -> Result<Value, OpError> {
    // serde's messages can quote what was sent, and that may be a secret.
    let operation: O = serde_json::from_value(input).map_err(|_| {
        OpError::invalid(format!(
            "{}: a field is missing or of the wrong type",
            O::NAME
        ))
    })?;
    let when_unknown = operation.when_unknown();
    let outcome = ops.carry_out(operation).await;
    let outcome = outcome.map_err(|error| error.advised(when_unknown))?;
    serde_json::to_value(outcome)
        .map_err(|error| OpError::new(ErrorCode::Internal, error.to_string()))
}
