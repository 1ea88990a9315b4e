//! The router: AMQP connections, forwarding, TCP flows, TLS, management agent, telemetry.
