//! Rings over real connections, at shops that behave as badly as they can.

#![cfg(test)]

mod ringing;
mod shop;
