//! The routing protocol between routers: neighbours, link state, paths, addresses. No I/O and no clock.
