//! The cluster ports of a node that is alone.

use troupe_core::port::{Member, Members};

/// Nobody else.
#[derive(Clone, Debug)]
pub struct Single(Member);

impl Single {
    /// `boot_epoch` must be larger than at the node's last start; the wall clock in ms serves.
    #[must_use]
    pub fn new(node: impl Into<String>, boot_epoch: u64) -> Self {
        Self(Member {
            node: node.into(),
            boot_epoch,
        })
    }
}

impl Members for Single {
    fn this(&self) -> &Member {
        &self.0
    }

    fn live(&self) -> usize {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_node_is_its_own_only_member() {
        let single = Single::new("local", 7);
        assert_eq!((single.live(), single.this().boot_epoch), (1, 7));
    }
}
