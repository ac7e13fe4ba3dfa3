//! What the pretend ERP computes: prices, tax, totals, stock, postings. Its own arithmetic on purpose: it must not agree
//! with its callers merely because it shares their code.

pub mod amounts;
pub mod buffer;
pub mod counts;
pub mod documents;
pub mod drafts;
pub mod history;
pub mod posting;
pub mod price;
pub mod return_check;
pub mod return_desk;
pub mod returns;
pub mod series;
pub mod shop_order;
pub mod status;
pub mod stock;
pub mod transfers;
