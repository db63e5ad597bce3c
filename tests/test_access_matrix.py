"""Who gets what: every page, route and SQL function, asked by everybody who may come along."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from psycopg.types.json import Jsonb
from starlette.routing import Route
from streamlit.testing.v1 import AppTest

from analytics.access.keys import create_key, revoke_key
from analytics.access.members import add_member
from analytics.access.viewer import Identity
from analytics.api import PATHS
from analytics.config import PROJECT_DIRECTORY
from analytics.database import Database
from analytics.errors import InvalidInput
from analytics.queries import Filters
from analytics.ui.frame import sign_in
from tests import factories
from tests.api import logged, open_api, words_of
from tests.app import open_page, text_of
from tests.clones import Clones, make_read_only
from tests.connections import dsn

# All ask for Acme's numbers; there is another client, Umbra. Keys are Acme's unless said otherwise.
#
# Pages know people, and take no key. Cells: whose numbers there are to be seen, "text" where there are none,
# or what is said instead. Routes know keys, and no people. Cells: whose numbers are answered or whose calls
# are stored, "any" where nobody's are, or the status. Functions run as analytics_reader for the client whose
# numbers a person has chosen or a key is of; for all others, a writing key included, for no client. Cells:
# whose rows there are, "-" for none, "same" where the answer has nothing to do with clients, "refused".
#
# The last column is personal data, Acme's phones: to whom of them all they are shown whole, in rows, names
# and metadata, with all that a page has turned on; "-" where nobody gets them. Of functions: "raw" where one
# answers with phones as they are, which the queries in front of it mask (analytics/queries/sql_function.py).
MATRIX = """
                                  anonymous  other's   viewer    admin     revoked   read      write     other's   other's    whole
                                             viewer                        key       key       key       read key  write key  phones

page streamlit_app                sign in    Umbra     Acme      both      sign in   sign in   sign in   sign in   sign in    admin
page streamlit_app?client=Acme    sign in    refused   Acme      both      sign in   sign in   sign in   sign in   sign in    admin
page providers_and_models         sign in    Umbra     Acme      both      sign in   sign in   sign in   sign in   sign in    -
page conversations                sign in    Umbra     Acme      both      sign in   sign in   sign in   sign in   sign in    admin
page conversations?timeline=THREAD            sign in  Umbra  Acme  both  sign in  sign in  sign in  sign in  sign in  admin
page conversations?q=1198765              sign in  Umbra  Acme  both  sign in  sign in  sign in  sign in  sign in  admin
page calls                        sign in    Umbra     Acme      both      sign in   sign in   sign in   sign in   sign in    admin
page calls?call=CALL              sign in    Umbra     Acme      both      sign in   sign in   sign in   sign in   sign in    admin
page live                         sign in    Umbra     Acme      both      sign in   sign in   sign in   sign in   sign in    admin
page speed_and_errors             sign in    Umbra     Acme      both      sign in   sign in   sign in   sign in   sign in    -
page budgets                 sign in    Umbra     Acme      both      sign in   sign in   sign in   sign in   sign in    -
page prices                       sign in    Umbra     Acme      both      sign in   sign in   sign in   sign in   sign in    -
page connect                      sign in    Umbra     Acme      both      sign in   sign in   sign in   sign in   sign in    -
page data_health                  sign in    Umbra     Acme      both      sign in   sign in   sign in   sign in   sign in    -
page clients                      sign in    Umbra     Acme      both      sign in   sign in   sign in   sign in   sign in    -
page about_the_numbers            text       text      text      text      text      text      text      text      text       -

route GET /api/analytics          401        401       401       401       401       Acme      403       Umbra     403        -
route GET /api/export             401        401       401       401       401       Acme      403       Umbra     403        -
route GET /api/budgets            401        401       401       401       401       Acme      403       Umbra     403        -
route GET /api/budgets/check      401        401       401       401       401       Acme      403       Umbra     403        -
route GET /api/alerts             401        401       401       401       401       Acme      403       Umbra     403        -
route GET /api/metrics            401        401       401       401       401       Acme      403       Umbra     403        -
route POST /api/usage             401        401       401       401       401       403       Acme      403       Umbra      -
route POST /api/litellm           401        401       401       401       401       403       Acme      403       Umbra      -
route POST /v1/traces             401        401       401       401       401       403       Acme      403       Umbra      -
route POST /v1/metrics            401        401       401       401       401       403       any       403       any        -
route POST /v1/logs               401        401       401       401       401       403       Acme      403       Umbra      -
route POST /api/public/ingestion  401        401       401       401       401       403       Acme      403       Umbra      -
route POST /api/public/otel/v1/traces  401   401       401       401       401       403       Acme      403       Umbra      -
route GET /api/public/projects    401        401       401       401       401       403       Acme      403       Umbra      -
route GET /api/public/health      any        any       any       any       any       any       any       any       any        -
route GET /healthz                any        any       any       any       any       any       any       any       any        -
route GET /readyz                 any        any       any       any       any       any       any       any       any        -
route GET /metrics                any        any       any       any       any       any       any       any       any        -
route GET /api/docs               any        any       any       any       any       any       any       any       any        -
route GET /api/openapi.json       any        any       any       any       any       any       any       any       any        -

function get_daily_usage            -          -         Acme      Acme      -         Acme      -         -         -        -
function get_weekly_evolution       -          -         Acme      Acme      -         Acme      -         -         -        -
function get_monthly_summary        -          -         Acme      Acme      -         Acme      -         -         -        -
function get_usage_by_conversation  -          -         Acme      Acme      -         Acme      -         -         -        raw
function get_usage_by_model         -          -         Acme      Acme      -         Acme      -         -         -        -
function get_usage_summary          -          -         Acme      Acme      -         Acme      -         -         -        -
function model_usage_between        -          -         Acme      Acme      -         Acme      -         -         -        -
function folded_conversation_sums   -          -         Acme      Acme      -         Acme      -         -         -        -
function folded_conversation_days   -          -         Acme      Acme      -         Acme      -         -         -        -
function filtered_conversation_days  -          -         Acme      Acme      -         Acme      -         -         -        -
function usage_of_conversations     -          -         Acme      Acme      -         Acme      -         -         -        raw
function has_lone_calls              -          -         Acme      Acme      -         Acme      -         -         -        -
function filtered_conversation_sums  -          -         Acme      Acme      -         Acme      -         -         -        -
function leading_filtered_conversations  -      -         Acme      Acme      -         Acme      -         -         -        -
function tokens_of_days             -          -         Acme      Acme      -         Acme      -         -         -        -
function filter_of_conversations    -          -         Acme      Acme      -         Acme      -         -         -        raw
function conversation_parts         -          -         Acme      Acme      -         Acme      -         -         -        raw
function whole_conversation_weeks   -          -         Acme      Acme      -         Acme      -         -         -        -
function whole_weeks_of_calls       -          -         Acme      Acme      -         Acme      -         -         -        -
function conversation_totals        -          -         Acme      Acme      -         Acme      -         -         -        raw
function conversations_by_name      -          -         Acme      Acme      -         Acme      -         -         -        -
function leading_conversations      -          -         Acme      Acme      -         Acme      -         -         -        raw
function matching_conversations     -          -         Acme      Acme      -         Acme      -         -         -        raw
function usage_window               -          -         Acme      Acme      -         Acme      -         -         -        -
function moments_of_days            -          -         Acme      Acme      -         Acme      -         -         -        -
function first_usage_date           -          -         Acme      Acme      -         Acme      -         -         -        -
function compared_days              -          -         Acme      Acme      -         Acme      -         -         -        -
function part_of_day                same       same      same      same      same      same      same      same      same     -
function usage_of_part              -          -         Acme      Acme      -         Acme      -         -         -        -
function get_usage_comparison       -          -         Acme      Acme      -         Acme      -         -         -        -
function get_usage_over_time        -          -         Acme      Acme      -         Acme      -         -         -        -
function get_call_sums              -          -         Acme      Acme      -         Acme      -         -         -        -
function search_conversations       -          -         Acme      Acme      -         Acme      -         -         -        raw
function get_conversation           -          -         Acme      Acme      -         Acme      -         -         -        raw
function get_conversation_calls     -          -         Acme      Acme      -         Acme      -         -         -        -
function calls_with_ids             -          -         Acme      Acme      -         Acme      -         -         -        raw
function spans_with_calls           -          -         Acme      Acme      -         Acme      -         -         -        -
function find_calls                 -          -         Acme      Acme      -         Acme      -         -         -        -
function get_calls                  -          -         Acme      Acme      -         Acme      -         -         -        raw
function get_other_attempts         -          -         Acme      Acme      -         Acme      -         -         -        -
function get_calls_since            -          -         Acme      Acme      -         Acme      -         -         -        raw
function get_named_calls_since      -          -         Acme      Acme      -         Acme      -         -         -        raw
function get_usage_by_minute        -          -         Acme      Acme      -         Acme      -         -         -        -
function get_rhythm                 -          -         Acme      Acme      -         Acme      -         -         -        -
function get_usage_gaps             -          -         Acme      Acme      -         Acme      -         -         -        -
function get_daily_usage_by_model   -          -         Acme      Acme      -         Acme      -         -         -        -
function get_usage_facts            -          -         Acme      Acme      -         Acme      -         -         -        -
function get_usage_by_utc_day       -          -         Acme      Acme      -         Acme      -         -         -        -
function get_latency                -          -         Acme      Acme      -         Acme      -         -         -        -
function latency_histograms         -          -         Acme      Acme      -         Acme      -         -         -        -
function get_answer_times           -          -         Acme      Acme      -         Acme      -         -         -        -
function get_outcomes_by_hour       -          -         Acme      Acme      -         Acme      -         -         -        -
function get_cached_usage           -          -         Acme      Acme      -         Acme      -         -         -        -
function get_call_times             -          -         Acme      Acme      -         Acme      -         -         -        -
function get_usage_by_tag           -          -         Acme      Acme      -         Acme      -         -         -        -
function get_fields_not_understood  -          -         Acme      Acme      -         Acme      -         -         -        -
function get_tag_keys               -          -         Acme      Acme      -         Acme      -         -         -        -
function get_usage_by_group          -          -         Acme      Acme      -         Acme      -         -         -        -
function get_usage_by_spans          -          -         Acme      Acme      -         Acme      -         -         -        -
function usage_rows                  -          -         Acme      Acme      -         Acme      -         -         -        -
function filtered_facts              -          -         Acme      Acme      -         Acme      -         -         -        -
function filtered_usage              -          -         Acme      Acme      -         Acme      -         -         -        -
function tag_sets_in_use             -          -         Acme      Acme      -         Acme      -         -         -        -
function wanted_corrected_calls      -          -         Acme      Acme      -         Acme      -         -         -        raw
function wanted_calls                -          -         Acme      Acme      -         Acme      -         -         -        raw
function operations_tried_again      -          -         Acme      Acme      -         Acme      -         -         -        raw
function get_alerts                   -          -         Acme      Acme      -         Acme      -         -         -        -
function clients_by_zone             -          -         Acme      Acme      -         Acme      -         -         -        -
function are_of_all_clients          same       same      same      same      same      same      same      same      same     -
function usage_of_clients            -          -         Acme      Acme      -         Acme      -         -         -        -
function calls_of_clients            -          -         Acme      Acme      -         Acme      -         -         -        -
function usage_between               -          -         Acme      Acme      -         Acme      -         -         -        -
function usage_by_day                -          -         Acme      Acme      -         Acme      -         -         -        -
function get_budgets                 -          -         Acme      Acme      -         Acme      -         -         -        -
function get_budget_versions         -          -         Acme      Acme      -         Acme      -         -         -        -
function get_budget_periods          -          -         Acme      Acme      -         Acme      -         -         -        -
function get_budget_periods_over     -          -         Acme      Acme      -         Acme      -         -         -        -
function get_budget_days             -          -         Acme      Acme      -         Acme      -         -         -        -
function get_budget_hours            -          -         Acme      Acme      -         Acme      -         -         -        -
function get_budget_parts            -          -         Acme      Acme      -         Acme      -         -         -        -

function fold_usage                 same       same      same      same      same      same      same      same      same     -
function days_of_weeks              same       same      same      same      same      same      same      same      same     -
function day_begins_at               same       same      same      same      same      same      same      same      same     -
function month_begins                same       same      same      same      same      same      same      same      same     -
function budget_period               same       same      same      same      same      same      same      same      same     -
function days_between               same       same      same      same      same      same      same      same      same     -
function meters_of_parts            same       same      same      same      same      same      same      same      same     -
function days_beside_weeks          same       same      same      same      same      same      same      same      same     -
function other_filters              same       same      same      same      same      same      same      same      same     -
function filters_within_conversations  same       same      same      same      same      same      same      same      same     -
function pending_conversation_days  same       same      same      same      same      same      same      same      same     -
function small_sum                  same       same      same      same      same      same      same      same      same     -
function whole_sum                  same       same      same      same      same      same      same      same      same     -
function id_from                    same       same      same      same      same      same      same      same      same     -
function usage_provider             same       same      same      same      same      same      same      same      same     -
function number_in                  same       same      same      same      same      same      same      same      same     -
function count_in                   same       same      same      same      same      same      same      same      same     -
function latency_bucket             same       same      same      same      same      same      same      same      same     -
function latency_of_bucket          same       same      same      same      same      same      same      same      same     -
function usage_meters               same       same      same      same      same      same      same      same      same     -
function hour_meters                 same       same      same      same      same      same      same      same      same     -
function is_numeric_meter            same       same      same      same      same      same      same      same      same     -
function sum_of_calls                same       same      same      same      same      same      same      same      same     -
function count_of_calls              same       same      same      same      same      same      same      same      same     -
function buckets_together            same       same      same      same      same      same      same      same      same     -
function percentiles_of              same       same      same      same      same      same      same      same      same     -
function get_percentiles            same       same      same      same      same      same      same      same      same     -
function usage_filter_of             same       same      same      same      same      same      same      same      same     -
function is_among                    same       same      same      same      same      same      same      same      same     -
function sum_passes                  same       same      same      same      same      same      same      same      same     -
function weekday_names               same       same      same      same      same      same      same      same      same     -
function day_passes                  same       same      same      same      same      same      same      same      same     -
function hour_passes                 same       same      same      same      same      same      same      same      same     -
function moments_of_text             same       same      same      same      same      same      same      same      same     -
function milliseconds_of_text        same       same      same      same      same      same      same      same      same     -
function milliseconds_pass           same       same      same      same      same      same      same      same      same     -
function moment_passes               same       same      same      same      same      same      same      same      same     -
function reads_by_span               same       same      same      same      same      same      same      same      same     -
function wanted_spans                same       same      same      same      same      same      same      same      same     -
function tags_pass                   same       same      same      same      same      same      same      same      same     -
function is_of_conversations         same       same      same      same      same      same      same      same      same     -
function call_passes                 same       same      same      same      same      same      same      same      same     -
function is_of_corrections           same       same      same      same      same      same      same      same      same     -
function facts_pass                  same       same      same      same      same      same      same      same      same     -
function is_replaced                 same       same      same      same      same      same      same      same      same     -
function known_facts                 same       same      same      same      same      same      same      same      same     -
function facts_of_call               same       same      same      same      same      same      same      same      same     -
function asks_for_facts              same       same      same      same      same      same      same      same      same     -
function count_of_fact               same       same      same      same      same      same      same      same      same     -
function is_of_kinds                same       same      same      same      same      same      same      same      same     -
function rows_of_ids                same       same      same      same      same      same      same      same      same     -
function calls_of_busy_week         same       same      same      same      same      same      same      same      same     -
function calls_like_a_conversation  same       same      same      same      same      same      same      same      same     -
function kinds_of_week              same       same      same      same      same      same      same      same      same     -
function kinds_of_conversations     same       same      same      same      same      same      same      same      same     -
function amounts_together            same       same      same      same      same      same      same      same      same     -
function all_amounts_together        same       same      same      same      same      same      same      same      same     -
function amounts_of_kind             same       same      same      same      same      same      same      same      same     -
function most_kinds                  same       same      same      same      same      same      same      same      same     -
function leading_conversations_of_kinds  same  same      same      same      same      same      same      same      same     -
function shown_tag                   same       same      same      same      same      same      same      same      same     -
function check_usage_sums           same       same      same      same      same      same      same      same      same     -
function raw_since_of               same       same      same      same      same      same      same      same      same     -
function refusal_before_raw_since   same       same      same      same      same      same      same      same      same     -
function rollup_lock                same       same      same      same      same      same      same      same      same     -
function timezone_lock              same       same      same      same      same      same      same      same      same     -
function keep_timezones             same       same      same      same      same      same      same      same      same     -
function unassigned_client_id       same       same      same      same      same      same      same      same      same     -

function lock_in_bites              refused    refused   refused   refused   refused   refused   refused   refused   refused  -
function record_applied_sql         refused    refused   refused   refused   refused   refused   refused   refused   refused  -
function add_filter_attribute        refused    refused   refused   refused   refused   refused   refused   refused   refused  -
function read_one_client_only       refused    refused   refused   refused   refused   refused   refused   refused   refused  -
function check_client_timezone      refused    refused   refused   refused   refused   refused   refused   refused   refused  -
function complete_usage_log         refused    refused   refused   refused   refused   refused   refused   refused   refused  -
function record_pending_usage       refused    refused   refused   refused   refused   refused   refused   refused   refused  -
function rebuild_client_usage       refused    refused   refused   refused   refused   refused   refused   refused   refused  -
function forget_all_usage           refused    refused   refused   refused   refused   refused   refused   refused   refused  -
function forget_usage_of_clients    refused    refused   refused   refused   refused   refused   refused   refused   refused  -
function keep_tags_of_moved_log     refused    refused   refused   refused   refused   refused   refused   refused   refused  -
function intern_tags                refused    refused   refused   refused   refused   refused   refused   refused   refused  -
function sum_days_anew              refused    refused   refused   refused   refused   refused   refused   refused   refused  -
function sum_lifetimes_by_kind      refused    refused   refused   refused   refused   refused   refused   refused   refused  -
function begin_dropping_calls       refused    refused   refused   refused   refused   refused   refused   refused   refused  -
function check_raw_since            refused    refused   refused   refused   refused   refused   refused   refused   refused  -
function delete_dropped_calls       refused    refused   refused   refused   refused   refused   refused   refused   refused  -
function end_restoring_calls        refused    refused   refused   refused   refused   refused   refused   refused   refused  -
function move_sums_of_calls         refused    refused   refused   refused   refused   refused   refused   refused   refused  -
function write_before_raw_since     refused    refused   refused   refused   refused   refused   refused   refused   refused  -
function renew_price_list           refused    refused   refused   refused   refused   refused   refused   refused   refused  -
function folded                     same       same      same      same      same      same      same      same      same     -
function shows_phones               same       same      same      same      same      same      same      same      same     -
function finds_phones               same       same      same      same      same      same      same      same      same     -
function may_hold_phone             same       same      same      same      same      same      same      same      same     -
function may_hold_own               same       same      same      same      same      same      same      same      same     -
function masked_phone               same       same      same      same      same      same      same      same      same     -
function masked_text                same       same      same      same      same      same      same      same      same     -
function masked_name                same       same      same      same      same      same      same      same      same     -
function masked_metadata            same       same      same      same      same      same      same      same      same     -
function shown_phone                same       same      same      same      same      same      same      same      same     -
function shown_name                 same       same      same      same      same      same      same      same      same     -
function shown_id                   same       same      same      same      same      same      same      same      same     -
function tags_of_call               same       same      same      same      same      same      same      same      same     -
function shown_metadata             same       same      same      same      same      same      same      same      same     -
function found_phone                same       same      same      same      same      same      same      same      same     -
function found_name                 same       same      same      same      same      same      same      same      same     -
function phone_handle               same       same      same      same      same      same      same      same      same     -
function read_phone_secret          same       same      same      same      same      same      same      same      same     -
function phone_of                   -          -         Acme      Acme      -         Acme      -         -         -        raw
"""  # noqa: E501

WHO = (
    *("anonymous", "other's viewer", "viewer", "admin"),
    *("revoked key", "read key", "write key", "other's read key", "other's write key"),
)
EMAILS = {"other's viewer": "olga@example.com", "viewer": "vera@example.com", "admin": "ada@example.com"}
ACME, OTHER = UUID(int=1), UUID(int=2)
PHONE = "5511987650001"
THREAD = UUID(int=101)
"""Acme's conversation."""
CALL_ID = UUID(int=201)
"""One of Acme's calls."""
BUDGET_ID = UUID(int=301)
"""Acme's budget."""
READS_AS = {
    "other's viewer": OTHER,
    "viewer": ACME,
    "admin": ACME,
    "read key": ACME,
    "other's read key": OTHER,
}
PARAMETERS = {
    "acme": ACME,
    "thread": THREAD,
    "ids": [CALL_ID],
    "budget": BUDGET_ID,
    "now": factories.NOW,
    "first": date(2026, 3, 1),
    "last": date(2026, 3, 31),
    "corrections": [UUID(int=ACME.int + 400)],
}
STATEMENTS = {
    "get_daily_usage": "select * from get_daily_usage(%(acme)s, 2, %(now)s)",
    "get_weekly_evolution": "select * from get_weekly_evolution(%(acme)s, 2, %(now)s)",
    "get_monthly_summary": "select * from get_monthly_summary(%(acme)s, 2026, 3, %(now)s)",
    "get_usage_by_conversation": "select * from get_usage_by_conversation(%(acme)s, 2, 20, %(now)s, 'cost')",
    "get_usage_by_model": "select * from get_usage_by_model(%(acme)s, 2, %(now)s)",
    "get_usage_summary": "select * from get_usage_summary(%(acme)s, 2, %(now)s)",
    "model_usage_between": "select * from model_usage_between(%(acme)s, '2026-03-01', '2026-03-31', '[]')",
    "folded_conversation_sums": (
        "select * from folded_conversation_sums(%(acme)s, null, '5511987650001', '2026-03-01', '2026-03-31')"
    ),
    "folded_conversation_days": (
        "select * from folded_conversation_days(%(acme)s, null, '5511987650001', %(first)s, %(last)s)"
    ),
    # Nothing is pending there.
    "pending_conversation_days": (
        "select * from pending_conversation_days(%(acme)s, %(first)s, %(last)s, null)"
    ),
    "usage_of_conversations": (
        "select * from usage_of_conversations("
        "%(acme)s, array[null::uuid], array['5511987650001'], %(first)s, %(last)s, '[]')"
    ),
    "filtered_conversation_days": (
        "select * from filtered_conversation_days(%(acme)s, '[]', %(first)s, %(last)s, null, null, null)"
    ),
    "filters_within_conversations": (
        "select filters_within_conversations(%(acme)s, '[]', %(first)s, %(last)s)"
    ),
    "other_filters": "select other_filters('[]')",
    "has_lone_calls": ("select * from has_lone_calls(%(acme)s) as found where found"),
    "conversation_totals": "select * from conversation_totals(%(acme)s, %(first)s, %(last)s, true, '[]')",
    "filtered_conversation_sums": (
        "select * from filtered_conversation_sums(%(acme)s, null, '2026-03-01', '2026-04-01')"
    ),
    "leading_filtered_conversations": (
        "select * from leading_filtered_conversations(%(acme)s, '[]', %(first)s, %(last)s, 1, false, 1)"
    ),
    "tokens_of_days": (
        "select * from tokens_of_days(%(acme)s, '[]', %(first)s, %(last)s) as found where found > 0"
    ),
    # No call names a conversation there.
    "kinds_of_week": "select * from kinds_of_week(%(acme)s, %(thread)s, '2026-03-16')",
    "kinds_of_conversations": (
        "select * from kinds_of_conversations("
        "%(acme)s, null, %(first)s, %(last)s, '{}', array[%(thread)s]::uuid[], 0, false)"
    ),
    "whole_weeks_of_calls": (
        "select * from whole_weeks_of_calls(%(acme)s, %(first)s, %(last)s) as found where found <> '{}'"
    ),
    "leading_conversations_of_kinds": (
        "select * from leading_conversations_of_kinds(%(acme)s, null, %(first)s, %(last)s, 1, false)"
    ),
    "filter_of_conversations": (
        "select phone"
        " from filter_of_conversations(%(acme)s, null, array[%(thread)s]::uuid[], '{}', true) as found"
        " cross join unnest(found.phones) as phone"
    ),
    "conversation_parts": "select * from conversation_parts(%(acme)s, %(first)s, %(last)s)",
    # A week of which days with use are left out is not whole.
    "whole_conversation_weeks": (
        "select * from whole_conversation_weeks(%(acme)s, '2026-03-16', '2026-03-17') as found"
        " where found = '{}'"
    ),
    "conversations_by_name": (
        "select * from conversations_by_name(%(acme)s, %(first)s, %(last)s, true, 0, 0)"
        " where matched_count > 0"
    ),
    "leading_conversations": (
        "select * from leading_conversations(%(acme)s, %(first)s, %(last)s, 1, 'total_tokens')"
    ),
    "matching_conversations": "select * from matching_conversations(%(acme)s, '0001', null)",
    "clients_by_zone": "select * from clients_by_zone(%(acme)s)",
    "are_of_all_clients": "select are_of_all_clients('[]')",
    "usage_of_clients": (
        "select * from usage_of_clients(array[%(acme)s]::uuid[], '[]', '2026-03-01', '2026-04-01', '{}')"
    ),
    "calls_of_clients": (
        "select * from calls_of_clients(array[%(acme)s]::uuid[], '[]', '2026-03-01', '2026-04-01')"
    ),
    "usage_between": "select * from usage_between(array[%(acme)s]::uuid[], '[]', '2026-03-01', '2026-04-01')",
    "usage_by_day": (
        "select * from usage_by_day(array[%(acme)s]::uuid[],"
        " '[]', 'Asia/Kolkata', '2026-03-01', '2026-04-01')"
    ),
    "get_budget_periods_over": "select * from get_budget_periods_over(%(acme)s, '2027-04-02')",
    "get_budgets": "select * from get_budgets(%(acme)s, %(now)s)",
    "get_budget_versions": "select * from get_budget_versions(%(acme)s, %(budget)s)",
    "get_budget_periods": "select * from get_budget_periods(%(acme)s, %(budget)s, 1, '2026-04-02')",
    "get_budget_days": "select * from get_budget_days(%(acme)s, %(budget)s, %(first)s, %(last)s)",
    "get_budget_hours": "select * from get_budget_hours(%(acme)s, %(budget)s, %(first)s, %(last)s)",
    "get_budget_parts": (
        "select * from get_budget_parts(%(acme)s, %(budget)s, %(first)s, %(last)s, %(first)s, %(last)s)"
    ),
    "month_begins": "select month_begins('2026-02-01', 31)",
    "budget_period": "select * from budget_period('month', 1, 'UTC', %(now)s)",
    "get_alerts": "select * from get_alerts(%(acme)s)",
    "days_between": "select days_between(%(first)s, %(last)s)",
    "meters_of_parts": "select meters_of_parts()",
    "days_beside_weeks": "select days_beside_weeks('{}', %(first)s, %(last)s)",
    "small_sum": "select small_sum(1)",
    "whole_sum": "select whole_sum(1)",
    "id_from": "select id_from('a', '0')",
    "usage_window": "select * from usage_window(%(acme)s, 2, %(now)s)",
    "moments_of_days": "select * from moments_of_days(%(acme)s, %(first)s, %(last)s)",
    "first_usage_date": "select day from first_usage_date(%(acme)s) as day where day is not null",
    "compared_days": "select * from compared_days(%(acme)s, %(first)s, %(last)s, %(first)s, %(last)s)",
    "usage_of_part": "select * from usage_of_part(%(acme)s, '2026-03-18', '2026-03-19')",
    "get_usage_comparison": (
        "select * from get_usage_comparison(%(acme)s, %(first)s, %(last)s, %(first)s, %(last)s)"
    ),
    "get_usage_over_time": "select * from get_usage_over_time(%(acme)s, %(first)s, %(last)s, 'month')",
    "get_call_sums": "select * from get_call_sums(%(acme)s, %(first)s, %(last)s)",
    "search_conversations": "select * from search_conversations(%(acme)s, %(first)s, %(last)s)",
    "get_conversation": "select * from get_conversation(%(acme)s, %(thread)s, null, %(first)s, %(last)s)",
    "get_conversation_calls": (
        "select * from get_conversation_calls(%(acme)s, null, '5511987650001', %(first)s, %(last)s)"
    ),
    "folded": "select folded('João')",
    "shows_phones": "select shows_phones()",
    "finds_phones": "select finds_phones()",
    "may_hold_phone": f"select may_hold_phone('{PHONE}')",
    "may_hold_own": f"select may_hold_own('{PHONE}', '{PHONE}')",
    "masked_phone": f"select masked_phone('{PHONE}')",
    "masked_text": f"select masked_text('{PHONE}', null)",
    "masked_name": f"select masked_name('{PHONE}', null)",
    "masked_metadata": f"select masked_metadata('[{PHONE}]', null)",
    "shown_phone": f"select length(shown_phone('{PHONE}')) > 4",
    "shown_name": f"select length(shown_name('{PHONE}', null)) > 4",
    "shown_id": f"select length(shown_id('{PHONE}', null)) > 4",
    "tags_of_call": """select tags_of_call(%(acme)s, 0, '{"tags": {"a": "b"}}')""",
    "shown_metadata": f"select jsonb_array_length(shown_metadata('[{PHONE}]', null))",
    "found_phone": f"select length(found_phone('{PHONE}')) > 4",
    "found_name": f"select length(found_name('{PHONE}', null)) > 4",
    "phone_handle": f"select phone_handle('secret', %(acme)s, '{PHONE}')",
    "read_phone_secret": "select read_phone_secret()",
    "phone_of": (
        f"select nullif(phone_of(%(acme)s, phone_handle(read_phone_secret(), %(acme)s, '{PHONE}'),"
        " %(first)s, %(last)s), E'\x01')"
    ),
    "spans_with_calls": (
        "select unnest(spans) from spans_with_calls(%(acme)s, '[]', array['2026-03-18'::date], 'UTC', 9)"
    ),
    "calls_with_ids": "select * from calls_with_ids(%(acme)s, %(ids)s)",
    "find_calls": "select * from find_calls(%(acme)s, %(first)s, %(last)s, '[]', null, null, false, 9, 9)",
    "get_calls": "select * from get_calls(%(acme)s, %(first)s, %(last)s)",
    "get_other_attempts": "select * from get_other_attempts(%(acme)s, %(ids)s)",
    "get_calls_since": "select * from get_calls_since(%(acme)s, '2026-03-01')",
    "get_named_calls_since": "select * from get_named_calls_since(%(acme)s, '2026-03-01')",
    "get_usage_by_minute": "select * from get_usage_by_minute(%(acme)s, '2026-03-01', '2026-04-01')",
    "get_usage_gaps": "select * from get_usage_gaps(%(acme)s, %(first)s, %(last)s)",
    "part_of_day": ("select * from part_of_day(%(acme)s, 'UTC', '2026-03-18', '2026-03-18 12:00Z', true)"),
    "get_rhythm": "select * from get_rhythm(%(acme)s, '2026-03-19', 28)",
    "get_usage_facts": "select * from get_usage_facts(%(acme)s, %(first)s, %(last)s)",
    "get_usage_by_utc_day": "select * from get_usage_by_utc_day(%(acme)s, %(first)s, %(last)s)",
    "get_latency": "select * from get_latency(%(acme)s, %(first)s, %(last)s)",
    "latency_histograms": "select * from latency_histograms(%(acme)s, %(first)s, %(last)s, '[]')",
    "get_answer_times": "select * from get_answer_times(%(acme)s, %(first)s, %(last)s)",
    "get_outcomes_by_hour": "select * from get_outcomes_by_hour(%(acme)s, %(first)s, %(last)s)",
    "get_cached_usage": "select * from get_cached_usage(%(acme)s, %(first)s, %(last)s)",
    "get_call_times": "select * from get_call_times(%(acme)s, %(first)s, %(last)s)",
    "get_percentiles": """select * from get_percentiles('[["a", [1], [1]]]')""",
    "get_usage_by_tag": "select * from get_usage_by_tag(%(acme)s, 'feature', %(first)s, %(last)s)",
    "get_tag_keys": "select * from get_tag_keys(%(acme)s, %(first)s, %(last)s)",
    "get_fields_not_understood": "select * from get_fields_not_understood(%(acme)s, %(first)s, %(last)s)",
    "intern_tags": """select intern_tags(%(acme)s, '{"a": "b"}')""",
    "sum_days_anew": "select sum_days_anew()",
    "sum_lifetimes_by_kind": "select sum_lifetimes_by_kind()",
    "begin_dropping_calls": "select begin_dropping_calls(%(acme)s, '2026-03-01', null)",
    "check_raw_since": "select check_raw_since()",
    "delete_dropped_calls": "select delete_dropped_calls(%(acme)s, 1)",
    "end_restoring_calls": "select end_restoring_calls(%(acme)s)",
    "move_sums_of_calls": "select move_sums_of_calls(%(acme)s, '2026-03-01', '2026-03-02', 'UTC', 'UTC')",
    "write_before_raw_since": "select write_before_raw_since('DELETE', %(acme)s, '2026-03-01')",
    "raw_since_of": "select raw_since_of(%(acme)s)",
    "refusal_before_raw_since": "select refusal_before_raw_since(%(acme)s, '2026-03-01')",
    "count_in": """select count_in('{"a": 1}', 'a')""",
    "latency_bucket": "select latency_bucket(1000)",
    "latency_of_bucket": "select latency_of_bucket(7)",
    "usage_meters": "select usage_meters()",
    "hour_meters": "select hour_meters()",
    "is_numeric_meter": "select is_numeric_meter('cost_usd')",
    "sum_of_calls": "select sum_of_calls('cost_usd')",
    "count_of_calls": "select count_of_calls()",
    "buckets_together": "select * from buckets_together('{1}', '{2}', '{3}', '{4}')",
    "percentiles_of": "select * from percentiles_of('{1}', '{2}')",
    "usage_filter_of": "select usage_filter_of(%(acme)s, '[]', %(first)s, %(last)s)",
    "is_among": "select is_among('a', '{a}', false)",
    "sum_passes": "select sum_passes(null, 'a', 'b', 'c', 'd')",
    "weekday_names": "select weekday_names()",
    "day_passes": "select day_passes(null, '2026-03-18')",
    "hour_passes": "select hour_passes(null, 9::smallint)",
    "moments_of_text": "select moments_of_text('2026-03-18T10:00Z..2026-03-18T10:05Z')",
    "milliseconds_of_text": "select milliseconds_of_text('500..')",
    "milliseconds_pass": "select milliseconds_pass('[500,)', 700, 'ok')",
    "moment_passes": "select moment_passes(null, '2026-03-18')",
    "reads_by_span": "select reads_by_span(null)",
    "wanted_spans": (
        """select wanted_spans(jsonb_populate_record(null::usage_filter, '{"timezone": "UTC"}'),"""
        " '2026-03-18', '2026-03-19')"
    ),
    "tags_pass": "select tags_pass(null, 1)",
    "is_of_conversations": (
        "select is_of_conversations(jsonb_populate_record(null::usage_filter,"
        """ '{"conversation_ids": [], "phones": [], "takes_lone": true}'), null, null)"""
    ),
    "call_passes": "select call_passes(null, null)",
    "is_of_corrections": "select is_of_corrections(null, null, null)",
    "facts_pass": "select facts_pass(null, null)",
    "known_facts": "select known_facts()",
    "is_replaced": "select is_replaced(1, 'ok', 2)",
    "facts_of_call": "select facts_of_call(null, null)",
    "asks_for_facts": "select asks_for_facts(null)",
    "is_of_kinds": "select is_of_kinds(null)",
    "rows_of_ids": "select rows_of_ids('{}')",
    "amounts_together": "select amounts_together('{1}', '{2}')",
    "all_amounts_together": "select all_amounts_together('{1}')",
    "amounts_of_kind": "select amounts_of_kind(1, 2, 3)",
    "most_kinds": "select most_kinds()",
    "calls_of_busy_week": "select calls_of_busy_week()",
    "calls_like_a_conversation": "select calls_like_a_conversation()",
    "count_of_fact": "select count_of_fact(null)",
    "shown_tag": """select shown_tag('{"a": "b"}', 'a')""",
    "get_usage_by_group": (
        "select * from get_usage_by_group(%(acme)s, %(first)s, %(last)s, 'day', 'model', 'tokens')"
    ),
    "get_usage_by_spans": (
        "select * from get_usage_by_spans(%(acme)s, jsonb_build_array(jsonb_build_object('first_date',"
        " %(first)s::date, 'last_date', %(last)s::date, 'grain', 'day', 'top', 7)), 'model', 'tokens')"
    ),
    "usage_rows": "select * from usage_rows(%(acme)s, '[]', %(first)s, %(last)s, '{model}', '{cost_usd}')",
    "filtered_facts": "select * from filtered_facts(%(acme)s, '[]', %(first)s, %(last)s)",
    "filtered_usage": "select * from filtered_usage(%(acme)s, '[]', %(first)s, %(last)s)",
    "tag_sets_in_use": "select * from tag_sets_in_use(%(acme)s, %(first)s, %(last)s, '[]')",
    "operations_tried_again": "select * from operations_tried_again(%(acme)s, '2026-03-01', 'infinity')",
    "wanted_corrected_calls": (
        "select * from wanted_corrected_calls(%(acme)s, jsonb_populate_record(null::usage_filter,"
        " jsonb_build_object('corrections', %(corrections)s::uuid[])), '2026-03-01', '2026-04-01')"
    ),
    "wanted_calls": "select * from wanted_calls(%(acme)s, null, '2026-03-01', '2026-04-01')",
    "get_daily_usage_by_model": "select * from get_daily_usage_by_model(%(acme)s, %(first)s, %(last)s)",
    # Finds what differs, which is nothing.
    "check_usage_sums": "select * from check_usage_sums(%(acme)s, %(first)s, %(last)s)",
    "number_in": """select number_in('{"a": 1}', 'a')""",
    "days_of_weeks": "select days_of_weeks(2)",
    "day_begins_at": "select day_begins_at('2026-03-18', 'UTC')",
    "usage_provider": "select usage_provider('openai')",
    "timezone_lock": "select timezone_lock(%(acme)s)",
    "keep_timezones": "select keep_timezones(array[%(acme)s])",
    "lock_in_bites": "call lock_in_bites('{usage_logs}')",
    "record_applied_sql": "call record_applied_sql('x', 'x')",
    "add_filter_attribute": "call add_filter_attribute('corrections', 'uuid[]')",
    "read_one_client_only": "call read_one_client_only('usage_logs', 'client_id')",
}
CALL = {"source": "openai", "model": "gpt-4", "cost_usd": 1}
LITELLM_LOG = {"call_type": "completion", "litellm_call_id": "c1", "model": "gpt-4", "total_tokens": 230}
SPAN = {
    "resourceSpans": [{"scopeSpans": [{"spans": [{"attributes": [
        {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
        {"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4"}},
        {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "150"}},
    ]}]}]}]
}  # fmt: skip


LOG = {
    "resourceLogs": [{"scopeLogs": [{"logRecords": [{"attributes": [
        {"key": "event.name", "value": {"stringValue": "claude_code.api_request"}},
        {"key": "model", "value": {"stringValue": "claude-sonnet-4-5"}},
        {"key": "output_tokens", "value": {"intValue": "150"}},
    ]}]}]}]
}  # fmt: skip
GENERATION = {"id": "g1", "model": "gpt-4", "usage": {"input": 150, "output": 80}}
CONTENTS: dict[str, Any] = {
    "/api/usage": CALL,
    "/api/litellm": LITELLM_LOG,
    "/v1/traces": SPAN,
    "/v1/metrics": {},
    "/v1/logs": LOG,
    "/api/public/otel/v1/traces": SPAN,
    "/api/public/ingestion": {"batch": [{"id": "e1", "type": "generation-create", "body": GENERATION}]},
}


def cells(kind: str) -> dict[str, tuple[str, ...]]:
    """The rows of this kind: the name, and a cell for each of WHO."""
    found = {}
    for line in MATRIX.splitlines():
        name, *row = re.split(r"\s{2,}", line.strip())
        if name.startswith(kind):
            assert len(row) == len(WHO) + 1, line
            found[name.removeprefix(f"{kind} ")] = tuple(row)
    return {name: row[:-1] for name, row in found.items()}


def whole_phones(kind: str, name: str) -> str:
    """To whom phones are shown whole; the last column."""
    [line] = [line for line in MATRIX.splitlines() if re.match(rf"{re.escape(f'{kind} {name}')}\s", line)]
    return re.split(r"\s{2,}", line.strip())[-1]


@pytest.fixture
def populated(configured: Database) -> Database:
    fill(configured)
    return configured


@pytest.fixture(scope="module")
def populated_to_read(clones: Clones, migrated_template: str) -> Iterator[Database]:
    """One for all tests that only read."""
    with clones.copy(migrated_template) as database:
        fill(database)
        make_read_only(database)
        yield database


def fill(database: Database) -> None:
    """Acme and Umbra, each with a call, folded and pending, of a phone that is only theirs; and members."""
    for client_id, name, phone in ((ACME, "Acme", PHONE), (OTHER, "Umbra", "5522987650002")):
        factories.client(database, name, id=client_id)
        factories.conversation(
            database, client_id, id=UUID(int=client_id.int + 100), phone=phone, name=f"+{phone}"
        )
        with database.transaction() as connection:
            connection.execute(
                "select intern_tags(%s, %s)", [client_id, Jsonb({"feature": "search", "user": phone})]
            )
        for moment in (factories.NOW, datetime.now(UTC)):
            log = factories.usage_log(
                client_id,
                phone=phone,
                metadata={"wa": [{"from": phone}], phone: 1, "usage_not_understood": {phone: phone}},
                operation_id=phone,
                # Filters of the first days find only another client's.
                attempt=None if moment == factories.NOW else 2,
                created_at=moment,
                tag_set_id=1,
                latency_ms=900,
                cached_tokens=10,
            )
            factories.insert_usage(database, log)
            database.fold()
            factories.insert_usage(database, log)
        factories.budget(database, client_id, name=f"{name}'s budget", id=UUID(int=client_id.int + 300))
        factories.alert_event(database, client_id, evidence=Jsonb({"title": name}))
        # The newest, with an id that is known.
        factories.insert_usage(database, log | {"id": UUID(int=client_id.int + 200)})
    # What only Umbra has, besides its phone and conversation.
    only = {"source": "umbral", "model": "umbral-1", "operation": "umbral", "outcome": "refused"}
    factories.insert_usage(
        database,
        factories.usage_log(
            OTHER,
            phone="5522987650002",
            tag_set_id=1,
            created_at=datetime(2026, 3, 17, 5, 30, tzinfo=UTC),
            cost_basis="estimated",
            attempt=2,
            **only,
        ),
    )
    for client_id in (ACME, OTHER):
        with database.transaction() as connection:
            correction = [client_id, UUID(int=client_id.int + 400)]
            connection.execute(
                "insert into cost_corrections"
                " (client_id, id, corrected_by, reason, first_date, last_date, timezone)"
                " values (%s, %s, 'ana', 'test', '2026-03-01', '2026-03-31', 'UTC')",
                correction,
            )
            # As if it had changed the other client's, too: no row holds it to the client's own.
            connection.execute(
                "insert into cost_correction_items"
                " select %s, %s, id, 0, 0, 'priced', 'priced', null, null, false from usage_logs",
                correction,
            )
    add_member(database, EMAILS["other's viewer"], "Umbra", "viewer")
    add_member(database, EMAILS["viewer"], "Acme", "viewer")
    add_member(database, EMAILS["admin"], None, "admin")


@pytest.fixture
def headers(populated: Database) -> dict[str, dict[str, str]]:
    """What each of WHO sends along."""
    keys = {
        "revoked key": create_key(populated, "Acme", "read", "test"),
        "read key": create_key(populated, "Acme", "read", "test"),
        "write key": create_key(populated, "Acme", "write", "test"),
        "other's read key": create_key(populated, "Umbra", "read", "test"),
        "other's write key": create_key(populated, "Umbra", "write", "test"),
    }
    revoke_key(populated, keys["revoked key"].split("_")[1])
    people = {
        who: {"Cookie": f"_streamlit_user={email}", "X-Forwarded-Email": email}
        for who, email in EMAILS.items()
    }
    return {"anonymous": {}} | people | {who: {"Authorization": f"Bearer {key}"} for who, key in keys.items()}


def test_nothing_is_missing(database: Database) -> None:
    pages = {"streamlit_app", *(path.stem for path in (PROJECT_DIRECTORY / "pages").glob("*.py"))}
    assert {name.partition("?")[0] for name in cells("page")} == pages

    routes = {
        f"{method} {route.path}"
        for route in declared_routes(open_api(database).app)  # type: ignore[arg-type]
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert set(cells("route")) == routes
    prefixes = tuple(path.removesuffix("{rest:path}") for path in PATHS)
    assert all(name.partition(" ")[2].startswith(prefixes) for name in routes)

    with database.transaction() as connection:
        functions = connection.execute(
            "select distinct proname from pg_proc where pronamespace = 'public'::regnamespace"
        ).fetchall()
    assert sorted(cells("function")) == sorted(name for (name,) in functions)


def declared_routes(router: Any) -> Iterator[Route | APIRoute]:
    for route in router.routes:
        if isinstance(route, Route | APIRoute):
            yield route
        else:
            yield from declared_routes(route.original_router)


@pytest.mark.parametrize("name", cells("page"))
def test_pages(populated: Database, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path, _, link = name.partition("?")

    def seen_by(who: str) -> str:
        email = EMAILS.get(who)
        monkeypatch.setattr(
            sign_in, "identity", lambda: email and Identity(email=email, is_email_verified=True)
        )
        page = open_page(
            None if path == "streamlit_app" else f"pages/{path}.py",
            secrets={"auth": {"client_id": "x"}},
            **dict(
                [link.replace("THREAD", str(THREAD)).replace("CALL", str(CALL_ID)).split("=")] if link else []
            ),
        )
        assert not page.exception
        outcome = outcome_of(page)
        for toggle in page.toggle:
            page = toggle.set_value(True).run()
        assert not page.exception
        if sees_whole_phones(page):
            see_phones.append(who)
        return outcome

    see_phones: list[str] = []
    # One server, and so one cache, for all.
    assert {who: seen_by(who) for who in WHO} == dict(zip(WHO, cells("page")[name], strict=True))
    assert ", ".join(see_phones) == whole_phones("page", name).replace("-", "")


def sees_whole_phones(page: AppTest) -> bool:
    """Whether a phone of Acme's stands anywhere on the page, tables with their JSON and the link included."""
    tables = "".join(table.value.to_csv() for table in page.dataframe)
    everything = f"{text_of(page)}{page.main}{tables}{page.query_params}".replace("q=", "")
    assert "98765-0001" not in everything
    return PHONE in everything


def outcome_of(page: AppTest) -> str:
    text = text_of(page)
    if "For members only" in text:
        outcome = "sign in"
    elif page.error:
        assert "or you may not see it" in page.error[0].value
        outcome = "refused"
    elif client_choices := [box.options for box in page.selectbox if box.label == "Client"]:
        outcome = "both" if client_choices == [["Acme", "Umbra"]] else "?"
    elif page.dataframe and all(name in page.dataframe[0].value.to_string() for name in ("Acme", "Umbra")):
        outcome = "both"
    else:
        outcome = next((name for name in ("Acme", "Umbra") if f":gray[{name}]" in text), "text")
    for name in {"Acme", "Umbra"} - {outcome}:
        # Whoever asks for a client by name is told that name again.
        if outcome not in ("both", "refused"):
            assert name not in text
    if outcome in ("sign in", "refused", "text"):
        assert not page.metric
        assert not page.dataframe
    return outcome


def ask(api: TestClient, database: Database, name: str, headers: Mapping[str, str]) -> str:
    """What comes of a request, as a cell has it."""
    method, path = name.split()
    before = len(logged(database))
    content = CONTENTS.get(path)
    parameters = (
        {"from": "2026-03-18", "to": "2026-03-18"} if path in ("/api/analytics", "/api/export") else None
    )
    key = headers.get("Authorization", "").removeprefix("Bearer ")
    # Langfuse's clients know Basic authentication alone.
    as_langfuse = ("public key", key) if path.startswith("/api/public/") and key else None
    response = api.request(
        method, path, json=content, params=parameters, headers=dict(headers), auth=as_langfuse
    )
    text = words_of(response.text) if path == "/metrics" else response.text
    assert PHONE[:-4] not in text
    assert whole_phones("route", name) == "-"
    new = logged(database)[before:]
    if response.status_code not in (200, 207):
        assert not new
        assert list(response.json()) == ["error"]
        return str(response.status_code)
    if path == "/api/analytics":
        [conversation] = response.json()["analytics"]["byConversation"]
        assert conversation["conversation_name"] == conversation["phone"]
        return {"•••• 0001": "Acme", "•••• 0002": "Umbra"}[conversation["phone"]]
    if path == "/api/alerts":
        [alert] = response.json()["alerts"]
        return str(alert["title"])
    if path == "/api/export":
        phones = {row["phone"] for row in csv.DictReader(io.StringIO(response.text, newline=""))}
        return {"•••• 0001": "Acme", "•••• 0002": "Umbra"}[phones.pop()] if len(phones) == 1 else "both"
    if path == "/api/metrics":
        [client] = {part.partition('"')[0] for part in text.split('client="')[1:]}
        return client
    if path == "/api/budgets":
        [budget] = response.json()["budgets"]
        return str(budget["name"]).removesuffix("'s budget")
    if path == "/api/public/projects":
        [project] = response.json()["data"]
        return str(project["name"])
    if path == "/api/budgets/check":
        return str(response.json()["budget"]).removesuffix("'s budget")
    if content:
        [row] = new
        return {ACME: "Acme", OTHER: "Umbra"}[row["client_id"]]
    assert not any(secret in text for secret in ("Acme", str(ACME), PHONE[-8:], "87650002"))
    return "any"


@pytest.mark.parametrize("name", cells("route"))
def test_routes(populated: Database, headers: dict[str, dict[str, str]], name: str) -> None:
    api = open_api(populated)
    assert {who: ask(api, populated, name, headers[who]) for who in WHO} == dict(
        zip(WHO, cells("route")[name], strict=True)
    )


@pytest.mark.parametrize("name", cells("function"))
def test_functions(populated_to_read: Database, name: str) -> None:
    statement = STATEMENTS.get(name, f"select {name}()")

    def rows(client_id: UUID | None, role: str | None) -> list[tuple[Any, ...]] | None:
        with psycopg.connect(dsn(populated_to_read.url)) as connection:
            # Some write; all is taken back.
            connection.execute("set transaction read write")
            # As for a key; else the owner, with whom all are compared, would see more of a row than others.
            connection.execute("select set_config('app.phones', 'masked', true)")
            if client_id is not None:
                connection.execute("select set_config('app.client_id', %s, true)", [str(client_id)])
            if role is not None:
                connection.execute(f"set local role {role}")  # type: ignore[arg-type]
            try:
                cursor = connection.execute(statement, PARAMETERS)  # type: ignore[arg-type]
            except (psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported):
                return None  # without the right to, or only to be called as a trigger
            found = cursor.fetchall()
            connection.rollback()
            return found

    expected = cells("function")[name]
    everything = None if "refused" in expected else rows(None, None)

    def seen_by(who: str) -> str:
        found = rows(READS_AS.get(who), "analytics_reader")
        if found is None:
            return "refused"
        if found == everything:
            return "same" if rows(None, "analytics_reader") == everything else "Acme"
        return "some" if any(value for row in found for value in row) else "-"

    assert {who: seen_by(who) for who in WHO} == dict(zip(WHO, expected, strict=True))


# Filters: they can only take away of what is seen without them.
OTHERS = {
    "provider": ["umbral"],
    "model": ["umbral-1"],
    "operation": ["umbral"],
    "outcome": ["refused"],
    "tag.user": ["5522987650002", "•••• 0002"],
    "conversation": [str(UUID(int=102)), "HANDLE"],
    "hour": ["5"],
    "weekday": ["tue"],
    "basis": ["estimated"],
    "has.retry": ["yes"],
    "correction": [str(UUID(int=OTHER.int + 400))],
}
"""Values of which each is only Umbra's, or stands for what is."""
NOBODYS = {
    "conversation": str(UUID(int=404)),
    "hour": "4",
    "weekday": "sun",
    "basis": "given",
    "has.retry": "yes",
    "correction": str(UUID(int=404)),
}
WITH_MORE = {
    "get_usage_summary": ", p_last_date => null, p_previous_first_date => null, p_previous_last_date => null"
}
"""Further arguments of the one that takes filters, which has no defaults."""


def filtered_functions(database: Database) -> list[str]:
    """The functions that take filters, but for those that only say what they mean."""
    with database.transaction() as connection:
        found = connection.execute(
            "select distinct proname from pg_proc"
            " where pronamespace = 'public'::regnamespace and 'p_filters' = any (proargnames)"
            " and prorettype not in ('usage_filter'::regtype, 'jsonb'::regtype)"
        ).fetchall()
    return sorted(name for (name,) in found)


def rows_under(
    connection: "psycopg.Connection[Any]",
    name: str,
    filters: Filters,
    *,
    reader: UUID | None,
    client_id: UUID = ACME,
    phones: str = "masked",
) -> list[tuple[Any, ...]]:
    """What the function answers of a client's calls to who reads for `reader`."""
    statement = STATEMENTS[name]
    if "'[]'" in statement:
        statement = statement.replace("'[]'", "%(filters)s::jsonb")
    else:
        more = WITH_MORE.get(name, "")
        statement = f"{statement.removesuffix(')')}{more}, p_filters => %(filters)s::jsonb)"
    connection.execute("select set_config('app.phones', %s, true)", [phones])
    if reader is not None:
        connection.execute("select set_config('app.client_id', %s, true)", [str(reader)])
    connection.execute("set local role analytics_reader")
    parameters = {**PARAMETERS, "acme": client_id, "filters": filters.json()}
    found = connection.execute(statement, parameters).fetchall()  # type: ignore[arg-type]
    connection.rollback()
    return found


def handle_of(database: Database, client_id: UUID, phone: str) -> str:
    with database.transaction() as connection:
        [(handle,)] = connection.execute(
            "select phone_handle(read_phone_secret(), %s, %s)", [client_id, phone]
        ).fetchall()
    found: str = handle
    return found


@pytest.mark.parametrize("excluded", ["", "!"])
@pytest.mark.parametrize("dimension", OTHERS)
def test_a_filter_by_what_another_client_has_is_one_by_what_nobody_has(
    populated_to_read: Database, dimension: str, excluded: str
) -> None:
    nobodys = Filters.parse({dimension + excluded: NOBODYS.get(dimension, "nobody's")})
    handles = [handle_of(populated_to_read, whose, "5522987650002") for whose in (ACME, OTHER)]
    values = [shown for value in OTHERS[dimension] for shown in (handles if value == "HANDLE" else [value])]
    with psycopg.connect(dsn(populated_to_read.url)) as connection:
        for name in filtered_functions(populated_to_read):
            of_nobody = rows_under(connection, name, nobodys, reader=ACME)
            for filters in [Filters.parse({dimension + excluded: value}) for value in values]:
                assert rows_under(connection, name, filters, reader=ACME) == of_nobody, (name, filters)
                whole = rows_under(connection, name, filters, reader=ACME, phones="whole")
                assert not any("umbra" in str(row) or "87650002" in str(row) for row in whole)
            # Whoever reads for another client, or for none, sees nothing of this one, and no error.
            for reader, client_id in ((OTHER, ACME), (None, OTHER)):
                hidden = rows_under(connection, name, filters, reader=reader, client_id=client_id)
                assert not any(isinstance(value, int) and value for row in hidden for value in row), name


def test_a_phone_is_found_by_what_is_shown_of_it(populated_to_read: Database) -> None:
    def count(filters: dict[str, str], phones: str = "masked") -> int:
        with psycopg.connect(dsn(populated_to_read.url)) as connection:
            rows = rows_under(
                connection, "filtered_usage", Filters.parse(filters), reader=ACME, phones=phones
            )
        return sum(row[-2] for row in rows)

    everything = count({})
    assert everything > 0
    assert count({"tag.user": "•••• 0001"}) == count({"tag.user": PHONE}, "whole") == everything
    assert count({"tag.user": PHONE}) == count({"tag.user": PHONE}, "findable") == 0
    assert count({"tag.user": "•••• 0001"}, "whole") == 0
    assert count({"tag.user!": PHONE}) == everything
    # Neither does it stand for a conversation.
    for conversation in (PHONE, f"+{PHONE}", "•••• 0001"):
        with pytest.raises(InvalidInput, match="conversation must be an id"):
            Filters.parse({"conversation": conversation})
        spelled = json.dumps([{"name": "conversation", "values": [conversation], "excluded": False}])
        with (
            psycopg.connect(dsn(populated_to_read.url)) as connection,
            pytest.raises(psycopg.errors.InvalidParameterValue, match="conversation must be an id"),
        ):
            connection.execute("select usage_filter_of(%s, %s, '2026-03-01', '2026-03-31')", [ACME, spelled])


@pytest.mark.parametrize("dimension", OTHERS)
def test_a_key_finds_nothing_of_another_client_by_a_filter(
    populated: Database, headers: dict[str, dict[str, str]], dimension: str
) -> None:
    api = open_api(populated)
    days = {"from": "2026-03-18", "to": "2026-03-18"}
    for value in OTHERS[dimension]:
        shown = value.replace("HANDLE", handle_of(populated, OTHER, "5522987650002"))
        for excluded, who, status in (
            *(("", who, 401) for who in ("anonymous", "viewer", "admin", "revoked key")),
            *(("", who, 403) for who in ("write key", "other's write key")),
            *((excluded, "read key", 200) for excluded in ("", "!")),
        ):
            asked = days | {dimension + excluded: shown}
            answers = [
                api.get(path, params=asked | more, headers=headers[who])
                for path, more in (
                    ("/api/analytics", {}),
                    ("/api/analytics", {"group_by": "tag.user", "grain": "hour"}),
                    *(("/api/export", {"format": format}) for format in ("csv", "focus")),
                )
            ]
            assert {answer.status_code for answer in answers} == {status}
            if status != 200:
                continue
            nobodys = days | {dimension + excluded: NOBODYS.get(dimension, "nobody's")}
            numbers, groups, calls, charges = answers
            expected = api.get("/api/analytics", params=nobodys, headers=headers[who]).json()
            assert numbers.json()["analytics"] == expected["analytics"]
            assert (numbers.json()["analytics"]["summary"]["request_count"] == 0) == (not excluded)
            for file, format in ((calls, "csv"), (charges, "focus")):
                same = api.get("/api/export", params=nobodys | {"format": format}, headers=headers[who])
                assert file.content == same.content
            told = groups.text.partition('"filters"')[0] + numbers.text.partition('"filters"')[0]
            assert not any(secret in told.lower() for secret in ("umbra", "0002"))
