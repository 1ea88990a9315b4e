//! Keys, certificates, chains and bundles: issue, inspect, judge, plan. No I/O and no clock.
