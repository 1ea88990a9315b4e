//! AMQP 1.0: codec and connection, session and link state machines. No I/O and no clock.
