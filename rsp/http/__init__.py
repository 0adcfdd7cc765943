"""HTTP semantics (RFC 9110): fields, names, routing; and the streams that every protocol offers."""
