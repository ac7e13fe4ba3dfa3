//! Protobuf, field by field, in place.

/// Walks over the fields of a message.
pub struct Fields<'a>(pub &'a [u8]);

pub enum Value<'a> {
    Bytes(&'a [u8]),
    Number(u64),
    /// Fixed-width numbers: in none of our requests.
    Other,
}

impl<'a> Fields<'a> {
    /// Takes the field if it is what most are: an item without a variant, written the shortest way.
    #[inline]
    pub fn item_alone(&mut self) -> Option<&'a [u8]> {
        const SKU_BYTES: u8 = 2 << 3 | 2;
        const NUMBER_BYTES: u8 = 1 << 3 | 2;
        let [SKU_BYTES, sku, NUMBER_BYTES, number, rest @ ..] = self.0 else {
            return None;
        };
        if *sku >= 0x80 || number.checked_add(2) != Some(*sku) {
            return None;
        }
        let (number, rest) = rest.split_at_checked(usize::from(*number))?;
        self.0 = rest;
        Some(number)
    }

    /// Outer `None`: broken. Inner `None`: the end.
    #[inline]
    #[expect(
        clippy::option_option,
        reason = "broken and finished are different ends"
    )]
    pub fn next_field(&mut self) -> Option<Option<(u64, Value<'a>)>> {
        if self.0.is_empty() {
            return Some(None);
        }
        let key = self.number().filter(|key| *key <= u64::from(u32::MAX))?;
        let value = match key & 7 {
            0 => Value::Number(self.number()?),
            1 => self.take(8).map(|_| Value::Other)?,
            2 => {
                let length = usize::try_from(self.number()?).ok()?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Other)?,
            _ => return None,
        };
        (key >> 3 != 0).then_some(Some((key >> 3, value)))
    }

    #[inline]
    fn number(&mut self) -> Option<u64> {
        if let Some((first, rest)) = self.0.split_first()
            && *first < 0x80
        {
            self.0 = rest;
            return Some(u64::from(*first));
        }
        let mut value = 0_u64;
        for (at, byte) in self.0.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if at == 9 && *byte > 1 {
                return None;
            }
            if byte & 0x80 == 0 {
                self.0 = &self.0[at + 1..];
                return Some(value);
            }
        }
        None
    }

    #[inline]
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}
