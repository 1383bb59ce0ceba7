-- What clients ask for: fifteen orders per hundred workers, in the same roles and places as the workers.
create or replace temp macro demo_order_openings() as [
    '{client} needs {need} for its {city}, {state} site, {shift} shift, from {start}.',
    'New request from {client} in {city}, {state}: {need}, {shift} shift, first day {start}.',
    'We are filling {need} at {client} ({city}, {state}) on the {shift} shift, starting {start}.',
    'Our client {client} is short {need} in {city}, {state}; {shift} shift, by {start}.',
    'Repeat customer {client} called about {need} for the {shift} shift in {city}, {state}, to begin {start}.',
    'Please find {need} for {client}, {city}, {state}. The shift is {shift}, the start {start}.',
    'A vacancy at {client} in {city}, {state}: {need} wanted on the {shift} shift from {start}.'
];

create or replace temp macro demo_order_tasks() as [
    'The work is mainly {skill1} and {skill2}, with some {skill3}.',
    'Expect {skill1}, {skill2} and a fair amount of {skill3}.',
    'Candidates should be at ease with {skill1}; practice in {skill2} is a plus.',
    'Daily tasks cover {skill1}, {skill2} and {skill3}.',
    'They asked for somebody who knows {skill1} and can learn {skill2} quickly.',
    'Most of the shift goes to {skill1}, the rest to {skill2}.'
];

create or replace temp macro demo_order_requirements() as [
    'Must bring {certs}.',
    'Required: {certs}.',
    'The client takes nobody without {certs}.',
    'Check the file for {certs} before you send anyone.',
    'Only people with {certs}, please.'
];

create or replace temp macro demo_order_no_requirements() as [
    'No certificates needed, training happens on site.',
    'Papers are optional; good attendance is not.',
    'Nothing formal is asked for, experience counts more.',
    'The client trains its own people; no cards needed.'
];

create or replace temp macro demo_order_pay() as [
    'Pay is ${rate} an hour, weekly.',
    'They pay ${rate} per hour.',
    'The rate is ${rate}, overtime after forty hours.',
    'Starting wage ${rate} an hour with a raise after ninety days.'
];

create or replace temp macro demo_order_closings() as [
    'Temp to hire, the last three people we sent were kept.',
    'Parking is free and the bus stops at the gate.',
    'Send names by Thursday, the client picks on Friday.',
    'A background check and two references come before day one.',
    'The assignment should run until the end of the season.',
    'The supervisor speaks English and Spanish and is patient.',
    'Overtime is likely in the last week of each month.',
    'Good attendance counts most; they had no-shows last month.',
    'Ask candidates whether they can get there, as buses stop early.',
    'The client prefers people who live within twenty miles.'
];

create or replace temp table demo_orders as
with orders as (
    select
        n,
        demo_draw(n, 'order role') % (select count(*) from demo_role_slots) as role_slot,
        demo_draw(n, 'order place') % (select count(*) from demo_places) as place_slot,
        demo_pick(['day', 'day', 'day', 'evening', 'evening', 'night', 'night', 'weekend'], n, 'order shift') as shift,
        1 + least(demo_draw(n, 'headcount') % 12, demo_draw(n, 'other headcount') % 12) as headcount,
        -- Three orders in ten still lie ahead; the others have run long enough to have timesheets.
        n % 10 in (7, 8, 9) as is_upcoming
    from range(1, greatest(1, getvariable('workers')::bigint * 15 // 100) + 1) as t (n)
)
select
    orders.* exclude (role_slot, place_slot),
    role,
    city,
    state,
    demo_pick(titles, n, 'order title') as title,
    demo_pick_some(skills, 3, n, 'order skills') as skills,
    list_filter(certs, lambda c: c.chance >= 75 or demo_draw(n, 'need ' || c.name) % 100 + 15 < c.chance)[:2] as certs,
    demo_firm(firm_ends, n, 'client') as client,
    round((base_rate + demo_draw(n, 'order rate') % 13 * 0.25) * 4) / 4 as rate,
    case
        when is_upcoming then date '2026-10-05' + (demo_draw(n, 'start') % 50)::integer
        else date '2026-01-05' + (demo_draw(n, 'start') % 170)::integer
    end as start_date
from orders
join demo_role_slots on demo_role_slots.slot = role_slot
join demo_places on demo_places.slot = place_slot
join demo_roles using (role)
join demo_families using (family)
join demo_role_certifications using (role);

create or replace temp macro demo_fill_order(words, client, need, city, state, shift, start_date) as
    replace(replace(replace(replace(replace(replace(words,
        '{client}', client),
        '{need}', need),
        '{city}', city),
        '{state}', state),
        '{shift}', shift),
        '{start}', strftime(start_date, '%B ') || day(start_date));

create or replace table job_orders as
select
    format('J-{:04d}', n) as order_id,
    client,
    role,
    city,
    state,
    shift,
    headcount::integer as headcount,
    start_date,
    array_to_string(list_transform(certs, lambda c: c.name), '; ') as certifications_required,
    concat_ws(
        ' ',
        demo_fill_order(
            demo_pick(demo_order_openings(), n, 'order opening'),
            client,
            demo_number(headcount) || ' ' || title || case when headcount = 1 then '' else 's' end,
            city,
            state,
            shift,
            start_date
        ),
        demo_fill_skills(demo_pick(demo_order_tasks(), n, 'order tasks'), skills),
        case
            when len(certs) = 0 then demo_pick(demo_order_no_requirements(), n, 'order requirement')
            else replace(
                demo_pick(demo_order_requirements(), n, 'order requirement'),
                '{certs}',
                demo_and(list_transform(certs, lambda c: demo_pick(c.wordings, n, 'order ' || c.name)))
            )
        end,
        -- The pay, a closing remark or, where nothing else is asked for, both.
        case
            when len(certs) = 0 or demo_draw(n, 'pay is told') % 2 = 0
            then replace(demo_pick(demo_order_pay(), n, 'order pay'), '{rate}', format('{:.2f}', rate))
        end,
        case
            when len(certs) = 0 or demo_draw(n, 'pay is told') % 2 = 1 then demo_pick(demo_order_closings(), n, 'order closing')
        end
    ) as description
from demo_orders
order by n;
