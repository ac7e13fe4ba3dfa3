//! shop-delivery.
