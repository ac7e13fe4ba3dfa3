//! order-intake.
