//! The words everyone shares: parsed once, never invalid.
