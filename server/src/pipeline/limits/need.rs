//! The most that a request can use, found out when a limit asks for it.

use std::cell::OnceCell;
use std::sync::Arc;

use bytes::Bytes;
use troupe_core::limit::{Amounts, Demand};
use troupe_core::price::{Meter, PriceTable};
use troupe_wire::body::RequestPeek;
use troupe_wire::estimate;

/// Output of a request that names no bound of its own: the most that models give.
const MAX_OUTPUT_TOKENS: u64 = 128_000;

/// What one request needs.
#[derive(Debug)]
pub struct Need {
    pub model: Arc<str>,
    message: Option<Message>,
    /// In a box: it is large, and most requests have no need of it.
    metered: OnceCell<Box<Demand>>,
}

/// A Messages request, of which more can be known.
#[derive(Debug)]
struct Message {
    body: Bytes,
    max_tokens: Option<u64>,
}

/// A request, and nothing that is counted in it.
const ONE: Demand = {
    let one = Amounts {
        requests: 1,
        input_tokens: 0,
        output_tokens: 0,
        micro_usd: 0,
    };
    Demand {
        bound: one,
        at_once: one,
    }
};

impl Need {
    /// Of a Messages request that goes up for `model`.
    #[must_use]
    pub fn of_message(body: &Bytes, peek: &RequestPeek, model: Arc<str>) -> Self {
        Self {
            model,
            message: Some(Message {
                body: body.clone(),
                max_tokens: peek.max_tokens,
            }),
            metered: OnceCell::new(),
        }
    }

    /// Of a request that is relayed as it is.
    #[must_use]
    pub fn of_relay() -> Self {
        Self {
            model: "".into(),
            message: None,
            metered: OnceCell::new(),
        }
    }

    /// The same request for another model.
    #[must_use]
    pub fn with_model(self, model: Arc<str>) -> Self {
        Self {
            model,
            message: self.message,
            metered: OnceCell::new(),
        }
    }

    /// What limits reserve. Tokens and money are looked at only where one of them counts (`is_metered`).
    #[must_use]
    pub fn demand(&self, prices: &PriceTable, is_metered: bool) -> Demand {
        if is_metered {
            **self.metered.get_or_init(|| {
                let message = self.message.as_ref();
                let meter = prices.meter(&self.model);
                Box::new(message.map_or(ONE, |message| message.demand(&meter)))
            })
        } else {
            ONE
        }
    }
}

impl Message {
    fn demand(&self, meter: &Meter) -> Demand {
        let input_tokens = estimate::bound(&self.body);
        let output_tokens = self.max_tokens.unwrap_or(MAX_OUTPUT_TOKENS);
        let amounts = |output_tokens| Amounts {
            requests: 1,
            input_tokens,
            output_tokens,
            // An upstream may write its cache unasked: the dearest class, whatever the body marks.
            micro_usd: meter.bound(input_tokens, output_tokens, true),
        };
        Demand {
            bound: amounts(output_tokens),
            at_once: amounts(0),
        }
    }
}
