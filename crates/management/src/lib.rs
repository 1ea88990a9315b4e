//! A router's entities: schema, configuration documents, and the management protocol's messages. No I/O.
