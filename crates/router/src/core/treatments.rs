//! How the deliveries of an address are spread, before anybody has said so for the address itself.

use skupper_routing::address::{Class, PatternError, TreatmentRules};
use skupper_routing::{AddressKey, Treatment};

use super::Rule;

/// The configuration's `address` entities and what the router itself knows.
#[derive(Clone)]
pub struct Treatments {
    configured: Vec<Rule>,
    rules: TreatmentRules,
    default: Treatment,
}

impl Treatments {
    /// No entities yet; `default` is the router's `defaultDistribution`.
    pub(crate) fn new(default: Treatment) -> Self {
        Treatments {
            configured: Vec::new(),
            rules: TreatmentRules::default(),
            default,
        }
    }

    /// Treatment and priority of an address; `hint` is what another router said of it.
    pub(crate) fn of(&self, key: &AddressKey, hint: Option<Treatment>) -> (Treatment, Option<u8>) {
        if matches!(key.class(), Class::Edge | Class::Network) {
            // What names a router or a network is no address that the configuration is about.
            return (hint.unwrap_or(Treatment::Balanced), None);
        }
        let text = key.text();
        if let Some(configured) = self.rules.find(text) {
            return configured;
        }
        let telemetry = text.starts_with("sfe.") || text.starts_with("vfcr.");
        let treatment = if text.starts_with("mc/sfe.") {
            Treatment::Multicast
        } else if telemetry || text == "$management" {
            Treatment::Closest
        } else {
            hint.unwrap_or(self.default)
        };
        (treatment, None)
    }

    /// Whether that entity is there already.
    pub(crate) fn has(&self, rule: &Rule) -> bool {
        self.configured.contains(rule)
    }

    pub(crate) fn add(&mut self, rule: Rule) -> Result<(), PatternError> {
        enter(&mut self.rules, &rule)?;
        self.configured.push(rule);
        Ok(())
    }

    pub(crate) fn remove(&mut self, rule: &Rule) {
        self.configured
            .retain(|known| (&known.pattern, known.is_prefix) != (&rule.pattern, rule.is_prefix));
        self.rules = TreatmentRules::default();
        for rule in &self.configured {
            // Each was accepted before, with others beside it.
            let _ = enter(&mut self.rules, rule);
        }
    }
}

fn enter(rules: &mut TreatmentRules, rule: &Rule) -> Result<(), PatternError> {
    let Rule {
        pattern,
        is_prefix,
        treatment,
        priority,
    } = rule;
    if *is_prefix {
        rules.add_prefix(pattern, *treatment, *priority)
    } else {
        rules.add_pattern(pattern, *treatment, *priority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_a_router_or_a_network_is_balanced_whatever_is_configured() {
        let mut treatments = Treatments::new(Treatment::Unavailable);
        let rule = Rule {
            pattern: "#".to_owned(),
            is_prefix: false,
            treatment: Treatment::Multicast,
            priority: Some(1),
        };
        treatments.add(rule).unwrap();
        let of = |class| treatments.of(&AddressKey::new(class, "west"), None);
        assert_eq!(of(Class::Mobile), (Treatment::Multicast, Some(1)));
        for class in [Class::Edge, Class::Network] {
            assert_eq!(of(class), (Treatment::Balanced, None));
        }
    }
}
