//! Code generated from `proto/` (protox and tonic-prost-build), and the codec it travels with. Modules are named after the packages.

#![expect(
    clippy::allow_attributes_without_reason,
    clippy::large_enum_variant,
    reason = "the generators' habit; nobody edits what they write"
)]

pub mod codec;

/// Every file of `proto/`, for reflection and for printing any event.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/millrace.bin"));

pub mod values {
    pub mod v1 {
        tonic::include_proto!("millrace.values.v1");
    }
}

pub mod events {
    pub mod v1 {
        tonic::include_proto!("millrace.events.v1");
    }
}

pub mod personal {
    pub mod v1 {
        tonic::include_proto!("millrace.personal.v1");
    }
}

pub mod items {
    pub mod v1 {
        tonic::include_proto!("millrace.items.v1");
    }
}

pub mod prices {
    pub mod v1 {
        tonic::include_proto!("millrace.prices.v1");
    }
}

pub mod price_keys {
    pub mod v1 {
        tonic::include_proto!("millrace.price_keys.v1");
    }
}

pub mod inventories {
    pub mod v1 {
        tonic::include_proto!("millrace.inventories.v1");
    }
}

pub mod customers {
    pub mod v1 {
        tonic::include_proto!("millrace.customers.v1");
    }
}

pub mod webshop_orders {
    pub mod v1 {
        tonic::include_proto!("millrace.webshop_orders.v1");
    }
}

pub mod reservations {
    pub mod v1 {
        tonic::include_proto!("millrace.reservations.v1");
    }
}

pub mod shelves {
    pub mod v1 {
        tonic::include_proto!("millrace.shelves.v1");
    }
}

pub mod returns {
    pub mod v1 {
        tonic::include_proto!("millrace.returns.v1");
    }
}

pub mod returnables {
    pub mod v1 {
        tonic::include_proto!("millrace.returnables.v1");
    }
}

pub mod catalog {
    pub mod v1 {
        tonic::include_proto!("millrace.catalog.v1");
    }
}

pub mod customer {
    pub mod v1 {
        tonic::include_proto!("millrace.customer.v1");
    }
}

pub mod order {
    pub mod v1 {
        tonic::include_proto!("millrace.order.v1");
    }
}

pub mod reservation {
    pub mod v1 {
        tonic::include_proto!("millrace.reservation.v1");
    }
}

pub mod stock {
    pub mod v1 {
        tonic::include_proto!("millrace.stock.v1");
    }
}

pub mod changes {
    pub mod v1 {
        tonic::include_proto!("millrace.changes.v1");
    }
}

pub mod operations {
    pub mod v1 {
        tonic::include_proto!("millrace.operations.v1");
    }
}

pub mod doorbells {
    pub mod v1 {
        tonic::include_proto!("millrace.doorbells.v1");
    }
}
