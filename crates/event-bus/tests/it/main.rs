//! One contract for both adapters, and what is particular to each.

mod cloud_events;
mod contract;
mod deleted_topics;
mod handler;
mod held;
mod kafka;
mod kafka_faults;
#[cfg(feature = "kafka-tls")]
mod kafka_tls;
mod processes;
mod restored;
mod resync;
mod schema;
mod told;
mod world;

/// Every sentence of the contract, for every adapter.
macro_rules! contract {
    ($($module:ident :: $sentence:ident),* $(,)?) => {
        mod embedded_bus {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $sentence() {
                crate::$module::$sentence(crate::world::World::embedded()).await;
            })*
        }

        mod postgres_consumer {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $sentence() {
                crate::$module::$sentence(crate::world::World::postgres().await).await;
            })*
        }

        mod kafka_bus {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $sentence() {
                crate::$module::$sentence(crate::world::World::kafka().await).await;
            })*
        }
    };
}

contract! {
    contract::records_of_a_key_come_in_order_and_every_event_once,
    contract::events_of_packages_outside_the_table_stay_private,
    contract::a_reader_may_come_before_the_log,
    contract::a_consumer_goes_on_where_it_stopped,
    contract::an_effect_that_fails_is_tried_again_and_neither_lost_nor_doubled,
    contract::a_deletion_arrives_without_a_value,
    contract::a_reader_with_a_pace_takes_together_what_comes_soon_after_another,
    contract::a_newcomer_sees_the_latest_of_every_key_then_what_comes,
    contract::a_handler_appends_to_its_own_log_once,
    contract::two_that_both_believe_to_own_a_partition_double_nothing,
    contract::an_unknown_topic_is_refused,
    held::a_newer_state_supersedes_a_parked_one,
    held::facts_wait_behind_a_parked_one_of_their_key_and_others_go_on,
    held::a_retried_fact_lets_those_behind_it_follow_in_order,
    held::a_dropped_fact_lets_those_behind_it_follow,
    held::too_many_facts_behind_a_parked_one_hold_their_partition_back,
    held::a_record_that_came_too_early_heals_when_its_need_arrives,
    held::a_record_heals_when_the_service_says_so,
    held::records_of_a_topic_that_is_no_longer_known_do_not_hide_those_behind_them,
    resync::a_rebuilt_log_of_states_is_read_again_from_its_beginning,
    resync::a_database_that_forgot_the_last_transaction_is_read_on_from_where_it_stands,
    resync::facts_of_a_rebuilt_log_wait_for_a_person_and_go_on_where_they_stopped,
    resync::facts_of_a_rebuilt_log_wait_for_a_person_and_begin_again,
    resync::a_parked_fact_of_an_earlier_life_stays_beside_one_at_the_same_place,
    held::what_a_handler_wrote_for_a_parked_record_is_undone,
}
