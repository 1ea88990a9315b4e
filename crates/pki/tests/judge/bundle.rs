//! What belongs into `ca.crt`.

use super::support::{Spec, days, key, now};

#[test]
fn ca_crt_holds_old_and_new_in_the_overlap() {
    use skupper_pki::plan::{FormerCa, bundle, bundle_changes_at};
    let of = |subject: &'static str, until| {
        Spec {
            until,
            ..Spec::ca(subject)
        }
        .self_signed(key(0))
    };
    let (old, new) = (of("old", days(100)), &[of("new", days(3000))]);
    let former = [FormerCa {
        certificate: old.clone(),
        needed_until: Some(days(50)),
    }];
    assert_eq!(
        bundle(new, &former, days(50)),
        [new[0].clone(), old.clone()]
    );
    let change = bundle_changes_at(&former, now()).unwrap();
    assert_eq!(bundle(new, &former, change), new);
    let unknown = [FormerCa {
        certificate: old.clone(),
        needed_until: None,
    }];
    assert_eq!(bundle(new, &unknown, days(100)).len(), 2);
    assert_eq!(bundle(new, &unknown, days(101)).len(), 1);
    let twice = [FormerCa {
        certificate: new[0].clone(),
        needed_until: None,
    }];
    assert_eq!(bundle(new, &twice, now()), new);
}
