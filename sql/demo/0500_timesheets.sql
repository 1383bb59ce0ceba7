-- What was worked: ten sheets per worker on average, on running orders, of the worker's own role where there is one.
create or replace temp macro demo_sheet_notes() as [
    'Good shift, no issues.',
    'On time and finished early.',
    'Helped train a new person.',
    'Steady pace all day.',
    'Stayed to finish the last trailer.',
    'Wore all protective gear.',
    'Reported a broken pallet rack.',
    'Would take this worker again.',
    'Arrived ten minutes late, called ahead.',
    'Swapped stations after lunch.',
    'Hours match the gate log.',
    'Quiet day, used for cleaning.'
];

create or replace temp macro demo_overtime_notes() as [
    'Overtime agreed by phone.',
    'Stayed late for a delayed truck.',
    'Extra hours for month end.',
    'Covered for a colleague who was out.',
    'Long shift, took both breaks.'
];

create or replace temp macro demo_open_sheet_notes() as [
    'Clock-out missing, asked the worker.',
    'Hours differ from the gate log.',
    'Waiting for the client to sign.',
    'Break not recorded.',
    'Wrong order number, please correct.',
    'Overtime was not agreed beforehand.'
];

create or replace temp table demo_running_orders as
select
    row_number() over (order by role, n) - 1 as slot,
    n as order_n,
    role
from demo_orders
where not is_upcoming;

create or replace temp table demo_order_ranges as
select
    role,
    min(slot) as first_slot,
    count(*) as orders
from demo_running_orders
group by role;

create or replace temp table demo_sheets as
with sheets as (
    select
        n,
        1 + demo_draw(n, 'sheet worker') % getvariable('workers')::bigint as worker,
        case when demo_draw(n, 'long day') % 5 = 0 then 8 + demo_draw(n, 'overtime') % 13 * 0.25::double
            else least(8, 4 + demo_draw(n, 'hours') % 33 * 0.25::double)
        end as hours
    from range(1, getvariable('workers')::bigint * 10 + 1) as t (n)
),
numbered as (
    -- The k-th sheet of a worker lies one to three days after the one before, so that no day is worked twice.
    select
        *,
        row_number() over (partition by worker order by n) as k
    from sheets
),
placed as (
    select
        numbered.*,
        coalesce(
            first_slot + demo_draw(worker * 8 + k // 8, 'sheet order') % orders,
            demo_draw(worker, 'any order') % (select count(*) from demo_running_orders)
        ) as order_slot
    from numbered
    join demo_people on demo_people.n = worker
    left join demo_order_ranges using (role)
)
select
    placed.*,
    order_n
from placed
join demo_running_orders on slot = order_slot;

create or replace table timesheets as
select
    format('T-{:06d}', n) as timesheet_id,
    format('W-{:04d}', worker) as worker_id,
    format('J-{:04d}', order_n) as order_id,
    date '2026-07-01' + (demo_draw(worker, 'first sheet') % 14 + k * 2 + demo_draw(n, 'gap') % 2)::integer as work_date,
    hours,
    greatest(hours - 8, 0) as overtime,
    demo_draw(n, 'approved') % 100 < 91 as approved,
    case
        when not approved then demo_pick(demo_open_sheet_notes(), n, 'sheet note')
        when overtime > 0 then demo_pick(demo_overtime_notes(), n, 'sheet note')
        else demo_pick(demo_sheet_notes(), n, 'sheet note')
    end as supervisor_note
from demo_sheets
order by n;
