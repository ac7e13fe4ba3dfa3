//! Code generated from proto/ and nothing else.
