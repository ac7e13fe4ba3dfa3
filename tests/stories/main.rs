//! Journeys across services: the real binary in processes of its own, the simulator as the ERP, real clients. A file per
//! sentence.

#![cfg(test)]

mod a_hint_reaches_the_feed_at_once;
mod a_restored_log_is_refused_until_it_has_a_new_epoch;
mod a_shop_without_grpc;
mod a_store_sells_no_piece_twice;
mod any_call;
mod callers_come_over_tls;
mod every_change_is_rung_whoever_dies;
mod every_server_answers_alike;
mod every_service_scales_and_outlives_its_leader;
mod issuer;
mod kafka_may_die_in_the_first_second;
mod neighbours_may_be_away_at_the_start;
mod neighbours_that_are_away_are_waited_for;
mod nobody_gets_in_without_a_right;
mod orders_survive_everything;
mod process;
mod raw;
mod refarch;
mod refarch_reaches_the_shop;
mod returns_survive_everything;
mod secrets_stay_inside;
mod shop;
mod tables;
mod the_doctor_says_what_is_wrong;
mod the_tour_holds;
mod topics_may_be_left_to_others;
mod what_can_be_served_is_served;
mod what_cannot_be_read_is_parked;
mod whoever_traces_sees_one_journey;
mod world;
mod wrong_settings_end_in_one_line;
