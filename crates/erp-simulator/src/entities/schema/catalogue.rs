//! Items, variants, categories, pictures, ledger entries, locations.

use super::{DOCUMENT_TYPE, ENTRY_TYPE, ITEM_TYPE, PICTURE_PARENT, SOURCE_TYPE};
use crate::odata::schema::{Kind, Schema, many, one, ro, rw};

pub const ITEM: Schema = Schema {
    entity: "item",
    set: "items",
    properties: &[
        ro("id", Kind::Guid),
        rw("number", Kind::Text(20)),
        rw("displayName", Kind::Text(100)),
        rw("displayName2", Kind::Text(50)),
        rw("type", Kind::Enum(ITEM_TYPE)),
        rw("itemCategoryId", Kind::Guid),
        rw("itemCategoryCode", Kind::Text(20)),
        rw("blocked", Kind::Boolean),
        rw("gtin", Kind::Text(14)),
        ro("inventory", Kind::Decimal),
        rw("unitPrice", Kind::Decimal),
        rw("priceIncludesTax", Kind::Boolean),
        rw("unitCost", Kind::Decimal),
        rw("taxGroupId", Kind::Guid),
        rw("taxGroupCode", Kind::Text(20)),
        rw("baseUnitOfMeasureId", Kind::Guid),
        rw("baseUnitOfMeasureCode", Kind::Text(10)),
        rw("generalProductPostingGroupId", Kind::Guid),
        rw("generalProductPostingGroupCode", Kind::Text(20)),
        rw("inventoryPostingGroupId", Kind::Guid),
        rw("inventoryPostingGroupCode", Kind::Text(20)),
        ro("lastModifiedDateTime", Kind::Instant),
    ],
    navigations: &[
        one("itemCategory", "itemCategories", "itemCategoryId"),
        one("unitOfMeasure", "unitsOfMeasure", "baseUnitOfMeasureId"),
        one("picture", "pictures", "id"),
        many("itemVariants", "itemVariants", "itemId"),
    ],
    insert: true,
    modify: true,
    delete: true,
};

pub const ITEM_VARIANT: Schema = Schema {
    entity: "itemVariant",
    set: "itemVariants",
    properties: &[
        ro("id", Kind::Guid),
        rw("itemId", Kind::Guid),
        rw("itemNumber", Kind::Text(20)),
        rw("code", Kind::Text(10)),
        rw("description", Kind::Text(100)),
        ro("lastModifiedDateTime", Kind::Instant),
    ],
    navigations: &[
        one("item", "items", "itemId"),
        one("picture", "pictures", "id"),
    ],
    insert: true,
    modify: true,
    delete: true,
};

pub const ITEM_CATEGORY: Schema = Schema {
    entity: "itemCategory",
    set: "itemCategories",
    properties: &[
        ro("id", Kind::Guid),
        rw("code", Kind::Text(20)),
        rw("displayName", Kind::Text(100)),
        ro("lastModifiedDateTime", Kind::Instant),
    ],
    navigations: &[],
    insert: true,
    modify: true,
    delete: true,
};

pub const PICTURE: Schema = Schema {
    entity: "picture",
    set: "pictures",
    properties: &[
        ro("id", Kind::Guid),
        ro("parentType", Kind::Enum(PICTURE_PARENT)),
        ro("width", Kind::Integer),
        ro("height", Kind::Integer),
        ro("contentType", Kind::Text(100)),
        rw("pictureContent", Kind::Stream),
    ],
    navigations: &[],
    insert: false,
    modify: true,
    delete: true,
};

pub const ITEM_LEDGER_ENTRY: Schema = Schema {
    entity: "itemLedgerEntry",
    set: "itemLedgerEntries",
    properties: &[
        ro("id", Kind::Guid),
        ro("entryNumber", Kind::Integer),
        rw("itemNumber", Kind::Text(20)),
        rw("postingDate", Kind::Date),
        rw("entryType", Kind::Enum(ENTRY_TYPE)),
        rw("sourceNumber", Kind::Text(20)),
        rw("sourceType", Kind::Enum(SOURCE_TYPE)),
        rw("documentNumber", Kind::Text(20)),
        rw("documentType", Kind::Enum(DOCUMENT_TYPE)),
        rw("description", Kind::Text(100)),
        rw("quantity", Kind::Decimal),
        rw("salesAmountActual", Kind::Decimal),
        rw("costAmountActual", Kind::Decimal),
        ro("lastModifiedDateTime", Kind::Instant),
    ],
    navigations: &[],
    insert: false,
    modify: false,
    delete: false,
};

pub const LOCATION: Schema = Schema {
    entity: "location",
    set: "locations",
    properties: &[
        ro("id", Kind::Guid),
        rw("code", Kind::Text(10)),
        rw("displayName", Kind::Text(100)),
        rw("contact", Kind::Text(100)),
        rw("addressLine1", Kind::Text(100)),
        rw("addressLine2", Kind::Text(50)),
        rw("city", Kind::Text(30)),
        rw("state", Kind::Text(30)),
        rw("country", Kind::Text(10)),
        rw("postalCode", Kind::Text(20)),
        rw("phoneNumber", Kind::Text(30)),
        rw("email", Kind::Text(80)),
        rw("website", Kind::Text(255)),
        ro("lastModifiedDateTime", Kind::Instant),
    ],
    navigations: &[],
    insert: true,
    modify: true,
    delete: true,
};
