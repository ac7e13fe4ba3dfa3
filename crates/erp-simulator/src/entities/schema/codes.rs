//! Code tables.

use super::{ADDRESS_FORMAT, TAX_TYPE};
use crate::odata::schema::{Kind, Schema, ro, rw};

pub const UNIT_OF_MEASURE: Schema = Schema {
    entity: "unitOfMeasure",
    set: "unitsOfMeasure",
    properties: &[
        ro("id", Kind::Guid),
        rw("code", Kind::Text(10)),
        rw("displayName", Kind::Text(50)),
        rw("internationalStandardCode", Kind::Text(10)),
        rw("symbol", Kind::Text(10)),
        ro("lastModifiedDateTime", Kind::Instant),
    ],
    navigations: &[],
    insert: true,
    modify: true,
    delete: true,
};

pub const CURRENCY: Schema = Schema {
    entity: "currency",
    set: "currencies",
    properties: &[
        ro("id", Kind::Guid),
        rw("code", Kind::Text(10)),
        rw("displayName", Kind::Text(30)),
        rw("symbol", Kind::Text(10)),
        rw("amountDecimalPlaces", Kind::Text(5)),
        rw("amountRoundingPrecision", Kind::Decimal),
        ro("lastModifiedDateTime", Kind::Instant),
    ],
    navigations: &[],
    insert: true,
    modify: true,
    delete: true,
};

pub const COUNTRY_REGION: Schema = Schema {
    entity: "countryRegion",
    set: "countriesRegions",
    properties: &[
        ro("id", Kind::Guid),
        rw("code", Kind::Text(10)),
        rw("displayName", Kind::Text(50)),
        rw("addressFormat", Kind::Enum(ADDRESS_FORMAT)),
        ro("lastModifiedDateTime", Kind::Instant),
    ],
    navigations: &[],
    insert: true,
    modify: true,
    delete: true,
};

pub const PAYMENT_TERM: Schema = Schema {
    entity: "paymentTerm",
    set: "paymentTerms",
    properties: &[
        ro("id", Kind::Guid),
        rw("code", Kind::Text(10)),
        rw("displayName", Kind::Text(100)),
        rw("dueDateCalculation", Kind::Text(250)),
        rw("discountDateCalculation", Kind::Text(250)),
        rw("discountPercent", Kind::Decimal),
        rw("calculateDiscountOnCreditMemos", Kind::Boolean),
        ro("lastModifiedDateTime", Kind::Instant),
    ],
    navigations: &[],
    insert: true,
    modify: true,
    delete: true,
};

pub const PAYMENT_METHOD: Schema = Schema {
    entity: "paymentMethod",
    set: "paymentMethods",
    properties: &[
        ro("id", Kind::Guid),
        rw("code", Kind::Text(10)),
        rw("displayName", Kind::Text(100)),
        ro("lastModifiedDateTime", Kind::Instant),
    ],
    navigations: &[],
    insert: true,
    modify: true,
    delete: true,
};

pub const SHIPMENT_METHOD: Schema = Schema {
    entity: "shipmentMethod",
    set: "shipmentMethods",
    properties: &[
        ro("id", Kind::Guid),
        rw("code", Kind::Text(10)),
        rw("displayName", Kind::Text(100)),
        ro("lastModifiedDateTime", Kind::Instant),
    ],
    navigations: &[],
    insert: true,
    modify: true,
    delete: true,
};

pub const TAX_GROUP: Schema = Schema {
    entity: "taxGroup",
    set: "taxGroups",
    properties: &[
        ro("id", Kind::Guid),
        rw("code", Kind::Text(20)),
        rw("displayName", Kind::Text(100)),
        ro("taxType", Kind::Enum(TAX_TYPE)),
        ro("lastModifiedDateTime", Kind::Instant),
    ],
    navigations: &[],
    insert: true,
    modify: true,
    delete: true,
};

pub const CUSTOMER_RETURN_REASON: Schema = Schema {
    entity: "customerReturnReason",
    set: "customerReturnReasons",
    properties: &[
        ro("id", Kind::Guid),
        rw("code", Kind::Text(10)),
        rw("description", Kind::Text(100)),
        ro("lastModifiedDateTime", Kind::Instant),
    ],
    navigations: &[],
    insert: true,
    modify: true,
    delete: true,
};
