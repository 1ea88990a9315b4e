//! What a site is: resources in; router configuration, certificates wanted and statuses out. No I/O and no clock.
