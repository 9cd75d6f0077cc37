//! The conditions of `--find-max`.

use super::super::report::expect::Expectation;

/// The conditions of a search.
#[derive(Clone, Debug)]
pub(crate) struct Conditions(pub Vec<Expectation>);

impl Conditions {
    /// Adds the default conditions, except those for a figure that the user named.
    pub fn with_defaults(self, is_connect: bool) -> Conditions {
        let Conditions(mut all) = self;
        let mut usual: Vec<Expectation> = Vec::new();
        let parse = |text: &&str| text.parse().ok();
        if all.is_empty() && !is_connect {
            usual.extend(["p95<500ms", "loss=0"].iter().filter_map(parse));
        }
        usual.extend(["failed=0", "disconnected=0"].iter().filter_map(parse));
        if !is_connect {
            usual.extend(["duplicated=0", "damaged=0"].iter().filter_map(parse));
        }
        usual.retain(|usual| all.iter().all(|condition| condition.figure_name() != usual.figure_name()));
        all.extend(usual);
        Conditions(all)
    }
}
