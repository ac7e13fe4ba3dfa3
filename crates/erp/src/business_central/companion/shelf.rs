//! Figures of one item, out of the companion's rows.

use millrace_values::{LocationCode, Quantity, Sku, SystemId, Timestamp, UnitCode, VariantCode};

use super::mapping::{Misfit, misfit, time};
use super::rows::FigureRow;
use crate::stock::{Figure, StockObserved};

/// What stands behind the figures of one item.
pub(crate) struct Shelf {
    pub item: SystemId,
    pub number: Sku,
    pub unit: Option<UnitCode>,
    /// For an item that has no figure: when it was looked at, and in which state of the database.
    pub looked_at: Timestamp,
    pub boundary: Option<u64>,
}

/// Figures at BC's blank location stand at `blank`; without it they are left out, because nobody can sell from there.
pub(crate) fn stock(
    shelf: Shelf,
    rows: &[FigureRow],
    blank: Option<&LocationCode>,
) -> Result<StockObserved, Misfit> {
    let mut figures = Vec::with_capacity(rows.len());
    let mut as_of = None;
    let mut boundary = None;
    for row in rows {
        // The oldest of them is what holds for all of them.
        let row_as_of = time(&row.as_of)?;
        as_of = Some(as_of.map_or(row_as_of, |known: Timestamp| known.min(row_as_of)));
        let row_boundary = u64::try_from(row.boundary).map_err(misfit)?;
        boundary = Some(boundary.map_or(row_boundary, |known: u64| known.min(row_boundary)));
        let location = match LocationCode::parse_optional(&row.location_code).map_err(misfit)? {
            Some(location) => location,
            None => match blank {
                Some(location) => location.clone(),
                None => continue,
            },
        };
        let figure = Figure {
            variant: VariantCode::parse_optional(&row.variant_code).map_err(misfit)?,
            location,
            on_hand: Quantity::new(row.quantity_on_hand.0).map_err(misfit)?,
            allocated: Quantity::new(row.quantity_on_sales_orders.0).map_err(misfit)?,
            reserved: Quantity::new(row.quantity_reserved.0).map_err(misfit)?,
            safety_stock: Quantity::new(row.safety_stock.0).map_err(misfit)?,
        };
        figures.push(figure);
    }
    Ok(StockObserved {
        item: shelf.item,
        number: shelf.number,
        unit: shelf.unit,
        figures: merged(figures),
        as_of: as_of.unwrap_or(shelf.looked_at),
        boundary: boundary.or(shelf.boundary),
    })
}

/// The blank location may have been given a code that has figures of its own.
fn merged(figures: Vec<Figure>) -> Vec<Figure> {
    let mut merged: Vec<Figure> = Vec::with_capacity(figures.len());
    for figure in figures {
        let same = |known: &&mut Figure| {
            known.variant == figure.variant && known.location == figure.location
        };
        if let Some(known) = merged.iter_mut().find(same) {
            known.on_hand = known.on_hand + figure.on_hand;
            known.allocated = known.allocated + figure.allocated;
            known.reserved = known.reserved + figure.reserved;
            known.safety_stock = known.safety_stock + figure.safety_stock;
        } else {
            merged.push(figure);
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_location_is_nowhere_unless_the_settings_say_where() {
        let figure: FigureRow = serde_json::from_str(
            r#"{"itemId":"5d115c9c-44e3-ea11-bb43-000d3a2feca1","itemNumber":"A","variantCode":"","locationCode":"",
                "quantityOnHand":5,"quantityOnSalesOrders":0,"quantityReserved":0,"safetyStock":0,"unitOfMeasureCode":"PCS",
                "asOf":"2026-04-01T00:00:00.000Z","boundary":7}"#,
        )
        .unwrap();
        let shelf = || Shelf {
            item: SystemId::parse("5d115c9c-44e3-ea11-bb43-000d3a2feca1").unwrap(),
            number: Sku::parse("A").unwrap(),
            unit: None,
            looked_at: Timestamp::parse("2026-05-01T00:00:00Z").unwrap(),
            boundary: None,
        };
        let rows = [figure];
        assert!(stock(shelf(), &rows, None).unwrap().figures.is_empty());
        let main = LocationCode::parse("MAIN").unwrap();
        let observed = stock(shelf(), &rows, Some(&main)).unwrap();
        assert_eq!(observed.figures[0].location, main);
        assert_eq!(
            (observed.boundary, observed.as_of),
            (Some(7), Timestamp::parse("2026-04-01T00:00:00Z").unwrap())
        );
    }
}
