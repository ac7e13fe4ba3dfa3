//! One picture per item, variant, customer or contact, with its bytes at `pictureContent`.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use uuid::Uuid;

use super::{check_etag, render};
use crate::database::{Picture, Stamp};
use crate::http::Call;
use crate::http::answer::Answer;
use crate::odata::etag;
use crate::odata::schema::Schema;
use crate::refusal::Refusal;
use crate::simulator::World;

/// The picture record of a parent that is there; one without content when nobody uploaded any.
pub(super) async fn of(
    world: &Arc<World>,
    call: &Call,
    parent: &Schema,
    id: Uuid,
) -> Result<Answer, Refusal> {
    let known = world.read(|tables, _| tables.pictures.get(id).cloned());
    let picture = known
        .as_deref()
        .cloned()
        .unwrap_or_else(|| empty(id, parent.entity));
    match call.method.as_str() {
        "GET" => {
            let company = world.read(|_, marks| marks.company);
            let mut record = render::catalogue::picture(
                &picture,
                &format!("{}/companies({company})", call.base),
            );
            record.insert(
                "@odata.etag".to_owned(),
                Value::from(etag(picture.stamp.version)),
            );
            record.insert(
                "@odata.context".to_owned(),
                Value::from(format!("{}/$metadata#pictures/$entity", call.base)),
            );
            Ok(Answer::json(200, &Value::Object(record)))
        }
        "DELETE" => {
            check_etag(world, call, picture.stamp.version)?;
            write(world, call, id, None, parent.entity).await?;
            Ok(Answer::empty(204))
        }
        _ => Err(Refusal::method_not_allowed("picture")),
    }
}

/// The bytes themselves.
pub(super) async fn content(world: &Arc<World>, call: &Call, id: Uuid) -> Result<Answer, Refusal> {
    let known = world.read(|tables, _| tables.pictures.get(id).cloned());
    match call.method.as_str() {
        "GET" => {
            let picture = known.ok_or_else(|| Refusal::not_found("picture"))?;
            let bytes = STANDARD.decode(&picture.content).unwrap_or_default();
            let mut answer = Answer::text(200, &picture.content_type, String::new());
            answer.body = bytes.into();
            Ok(answer)
        }
        "PATCH" | "PUT" => {
            check_etag(
                world,
                call,
                known.as_ref().map_or(0, |picture| picture.stamp.version),
            )?;
            let entity = call
                .segments
                .get(1)
                .map_or("items", |segment| segment.name.as_str())
                .trim_end_matches('s')
                .to_owned();
            write(world, call, id, Some(call.body.to_vec()), &entity).await?;
            Ok(Answer::empty(204))
        }
        _ => Err(Refusal::method_not_allowed("picture")),
    }
}

async fn write(
    world: &Arc<World>,
    call: &Call,
    id: Uuid,
    bytes: Option<Vec<u8>>,
    entity: &str,
) -> Result<(), Refusal> {
    let content_type = if call.content_type.starts_with("image/") {
        call.content_type.clone()
    } else {
        "image/jpeg".to_owned()
    };
    world
        .write(&call.client, call.hold, |tx| {
            match &bytes {
                Some(bytes) => {
                    let picture = Picture {
                        content: STANDARD.encode(bytes),
                        content_type: content_type.clone(),
                        ..empty(id, entity)
                    };
                    tx.put(picture);
                }
                None => tx.delete::<Picture>(id),
            }
            Ok(())
        })
        .await
}

fn empty(id: Uuid, entity: &str) -> Picture {
    let parent_type = match entity {
        "itemVariant" => "Item_x0020_Variant",
        "customer" => "Customer",
        "contact" => "Contact",
        _ => "Item",
    };
    Picture {
        id,
        stamp: Stamp::default(),
        parent_type: parent_type.to_owned(),
        content_type: String::new(),
        width: 0,
        height: 0,
        content: String::new(),
    }
}
