//! Does the session work? Asked by the list of organisations, which changes nothing.

use std::sync::Arc;
use std::time::Instant;

use troupe_core::account::{Probe, Verdict};

use super::{WebAccount, WebLimits, fault::WebFault, organization, surface::Surface};

/// Never an error: what cannot be found out is [`Probe::Inconclusive`]. `http` as of [`open`](super::open).
pub async fn probe(http: &reqwest::Client, account: &WebAccount) -> Probe {
    let started = Instant::now();
    let found = match Surface::new(http, account) {
        Ok(surface) => {
            let wanted = account.wanted.as_deref();
            organization::find(&Arc::new(surface), wanted, &WebLimits::default()).await
        }
        Err(fault) => Err(fault),
    };
    match found {
        Ok(organization) => Probe::Ok {
            latency_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            said: format!(
                "organisation {} ({})",
                organization.id,
                if organization.paid {
                    "paid plan"
                } else {
                    "free plan"
                }
            ),
        },
        Err(fault) => refused(fault),
    }
}

fn refused(fault: WebFault) -> Probe {
    let (status, message) = (fault.status, fault.message);
    match fault.verdict {
        Verdict::Unauthorized | Verdict::Forbidden | Verdict::OutOfService { .. } => {
            Probe::Rejected { status, message }
        }
        Verdict::Challenged => Probe::Challenged,
        _ => Probe::Inconclusive { message },
    }
}
