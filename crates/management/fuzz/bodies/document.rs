//! A configuration document, in both of its forms, up to the entities that a router would make.

use skupper_management::RouterConfig;
use skupper_management::document::{Dialect, Document, expand, load, pretty};

pub(crate) fn run(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let text = expand(&text, |name| {
        (name.len() == 1).then(|| "filled in".to_owned())
    });
    for dialect in [Dialect::Json, Dialect::Conf] {
        match Document::parse(&text, dialect) {
            Ok(document) => {
                let loaded = load(&document);
                for fault in &loaded.faults {
                    assert!(!fault.to_string().is_empty());
                }
            }
            Err(errors) => assert!(!errors.to_string().is_empty()),
        }
    }
    if let Ok(config) = RouterConfig::parse(&text) {
        let written = config.to_json();
        let again = RouterConfig::parse(&written);
        assert_eq!(again.as_ref(), Ok(&config), "{written}");
    }
    if let Ok(value) = serde_json::from_str::<serde_json::Value>(&text) {
        let printed = pretty(&value);
        assert!(
            serde_json::from_str::<serde_json::Value>(&printed).is_ok(),
            "{printed}"
        );
    }
}
