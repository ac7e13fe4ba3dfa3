//! The return as the ERP gets it: the original order's lines, and what was promised for them.

use std::collections::HashMap;

use millrace_contract::returns::v1::{LineRemarks, Remarks};
use millrace_erp::document::NewFreight;
use millrace_erp::return_order::{NewReturn, NewReturnLine};
use millrace_values::{Amount, CustomerNumber, LocationCode};

use crate::domain::credit::total;
use crate::domain::{Credit, Line, LineStatus, Sold, Taken};
use crate::wire;

/// `None`: a line of the original order is not known any more. What did not come back is left out.
#[must_use]
pub fn new_return(
    taken: &Taken,
    sold: &Sold,
    customer: CustomerNumber,
    remarks: Option<Remarks>,
) -> Option<NewReturn> {
    let goods = &taken.goods;
    let remarks = remarks.unwrap_or_default().lines;
    let mut remarks: HashMap<u32, LineRemarks> = remarks
        .into_iter()
        .map(|remark| (remark.line_number, remark))
        .collect();
    let statuses = taken.lines.iter().zip(&taken.credits);
    let mut lines = Vec::with_capacity(goods.lines.len());
    for (line, (status, credit)) in goods.lines.iter().zip(statuses) {
        if !status.wanted().is_positive() {
            continue;
        }
        let said = remarks.remove(&line.number).unwrap_or_default();
        let of_line = OfLine {
            line,
            status,
            credit: credit.amount,
        };
        lines.push(new_line(of_line, sold, said, taken.location.as_ref())?);
    }
    let all = total(sold.currency, &taken.credits, taken.freight.as_ref());
    Some(NewReturn {
        key: wire::key(goods),
        revision: taken.revision(),
        order_number: goods.order.clone(),
        customer,
        submitted_at: goods.submitted_at,
        currency: sold.currency,
        prices_include_tax: sold.prices_include_tax,
        refund: wire::document_way(&taken.credits),
        gift: goods.gift,
        exchange_order: goods.exchange_order.clone(),
        lines,
        freight: taken.freight.map(|freight| NewFreight {
            net: freight.amount.net(),
            gross: freight.amount.gross,
            tax_percent: freight.tax_percent,
        }),
        net: all.net(),
        tax: all.tax,
        gross: all.gross,
    })
}

struct OfLine<'a> {
    line: &'a Line,
    status: &'a LineStatus,
    credit: Credit,
}

fn new_line(
    of_line: OfLine<'_>,
    sold: &Sold,
    said: LineRemarks,
    location: Option<&LocationCode>,
) -> Option<NewReturnLine> {
    let OfLine {
        line,
        status,
        credit,
    } = of_line;
    let sold_line = sold.line(line.order_line)?;
    let quantity = status.wanted();
    let discount = sold_line.discount(quantity, credit, sold.prices_include_tax);
    Some(NewReturnLine {
        line_number: line.number,
        order_line: line.order_line,
        item: sold_line.item.clone(),
        variant: sold_line.variant.clone(),
        unit: sold_line.unit.clone(),
        quantity,
        location: location.or(sold_line.location.as_ref()).cloned(),
        reason: line.reason.clone(),
        condition: line.condition.clone(),
        comment: said.comment,
        photos: said.photos,
        unit_price: sold_line.unit_price,
        // An ERP has no discount below nothing; what rounding made a part worth more is in its amounts.
        discount: if discount.is_negative() {
            Amount::zero(sold.currency)
        } else {
            discount
        },
        tax_percent: sold_line.tax_percent,
        net: credit.net(),
        gross: credit.gross,
    })
}
