-- Who they are: the facts of one worker, each drawn on its own so that a change to one leaves the others alone.
create or replace temp table demo_people as
with people as (
    select
        n,
        demo_pick(demo_first_names(), n, 'first name') || ' '
        || demo_pick(demo_name_starts(), n, 'family name') || demo_pick(demo_name_ends(), n, 'family name end') as name,
        demo_draw(n, 'role') % (select count(*) from demo_role_slots) as role_slot,
        demo_draw(n, 'place') % (select count(*) from demo_places) as place_slot,
        least(demo_draw(n, 'years') % 32, demo_draw(n, 'other years') % 26) as years_in_role,
        round(1 - 0.9 * demo_unit(n, 'reliability') * demo_unit(n, 'bad luck'), 2) as reliability,
        demo_pick(demo_shifts(), n, 'availability') as availability
    from range(1, getvariable('workers')::bigint + 1) as t (n)
)
select
    people.* exclude (role_slot, place_slot, years_in_role),
    least_years + years_in_role as years_experience,
    role,
    family,
    city,
    state,
    state_name,
    demo_pick(titles, n, 'title') as title,
    demo_pick_some(skills, 3 + demo_draw(n, 'skill count') % 3, n, 'skills') as skills,
    list_filter(certs, lambda c: demo_draw(n, c.name) % 100 < c.chance) as certs,
    round((base_rate * (1 + 0.012 * (least_years + years_in_role)) + demo_draw(n, 'rate') % 9 * 0.25) * 4) / 4 as hourly_rate
from people
join demo_role_slots on demo_role_slots.slot = role_slot
join demo_places on demo_places.slot = place_slot
join demo_roles using (role)
join demo_role_certifications using (role);

-- What they write: one sentence per part, still with its {placeholders}.
create or replace temp table demo_parts as
with jobs as (
    select
        *,
        case when years_experience = 0 then 0 else 1 + demo_draw(n, 'years here') % years_experience end as years_here,
        demo_draw(n, 'duty') % 6 as first_duty,
        1 + demo_draw(n, 'second duty') % 5 as duty_step
    from demo_people
    join demo_families using (family)
    join demo_duties using (role)
    join demo_shift_sentences using (availability)
)
select
    n,
    case
        when years_experience < 2 then demo_pick(demo_newcomer_openings(), n, 'opening')
        else demo_pick(demo_openings(), n, 'opening')
    end as opening,
    case
        when years_experience = years_here then demo_pick(demo_first_jobs(), n, 'history')
        else demo_pick(demo_histories(), n, 'history')
    end as history,
    duties[1 + first_duty] as duty,
    duties[1 + (first_duty + duty_step) % 6] as second_duty,
    duties[1 + (first_duty + 1 + duty_step % 5) % 6] as third_duty,
    demo_pick(demo_skill_sentences(), n, 'skill sentence') as skill,
    case
        when len(certs) = 0 then demo_pick(demo_no_certification_sentences(), n, 'no certification')
        else replace(
            demo_pick(demo_certification_sentences(), n, 'certification'),
            '{certs}',
            demo_and(list_transform(certs, lambda c: demo_pick(c.wordings, n, c.name || ' wording')))
        )
    end as certification,
    demo_pick(sentences, n, 'shift') as shift,
    case
        when reliability >= 0.9 and demo_draw(n, 'proud') % 2 = 0 then demo_pick(demo_reliable_notes(), n, 'note')
        when reliability < 0.5 then demo_pick(demo_unreliable_notes(), n, 'note')
        else demo_pick(demo_personal_notes(), n, 'note')
    end as note,
    title,
    demo_years(years_experience, demo_draw(n, 'spelled') % 2 = 0) as years,
    demo_years(years_experience - years_here, demo_draw(n, 'spelled') % 2 = 0) as before,
    2026 - years_here as since,
    city,
    case when demo_draw(n, 'state') % 3 = 0 then state_name else state end as state,
    demo_firm(firm_ends, n, 'employer') as employer,
    demo_firm(firm_ends, n, 'previous') as previous,
    skills[:3] as skills
from jobs;

create or replace temp macro demo_fill_who(words, title, years, city, state) as
    replace(replace(replace(replace(replace(replace(replace(words,
        '{Title}', demo_capital(title)),
        '{a_title}', case when title[1] in ('a', 'e', 'i', 'o', 'u') then 'an ' else 'a ' end || title),
        '{title}', title),
        '{Years}', demo_capital(years)),
        '{years}', years),
        '{city}', city),
        '{state}', state);

create or replace temp macro demo_fill_history(words, employer, previous, since, before) as
    replace(replace(replace(replace(words,
        '{employer}', employer),
        '{previous}', previous),
        '{since}', since::varchar),
        '{before}', before);

create or replace temp macro demo_fill_skills(words, skills) as
    replace(replace(replace(words,
        '{skill1}', skills[1]),
        '{skill2}', skills[2]),
        '{skill3}', skills[3]);

create or replace temp table demo_resumes as
with filled as (
    select
        n,
        demo_fill_who(opening, title, years, city, state) as opening,
        demo_fill_history(history, employer, previous, since, before) as history,
        duty,
        second_duty,
        third_duty,
        demo_fill_skills(skill, skills) as skill,
        certification,
        replace(shift, '{city}', city) as shift,
        note
    from demo_parts
),
arranged as (
    select
        n,
        third_duty,
        case demo_draw(n, 'order') % 4
            when 0 then concat_ws(' ', opening, history, duty, second_duty, certification, shift)
            when 1 then concat_ws(' ', opening, duty, history, certification, skill, note, shift)
            when 2 then concat_ws(' ', opening, certification, history, duty, skill, shift)
            else concat_ws(' ', opening, history, skill, certification, duty, shift, note)
        end as resume
    from filled
)
select
    n,
    -- A short one gets another sentence about the work: sixty words is the least a reader can judge.
    case
        when len(resume) - len(replace(resume, ' ', '')) < 59 then concat_ws(' ', resume, third_duty)
        else resume
    end as resume
from arranged;

create or replace table workers as
select
    format('W-{:04d}', n) as worker_id,
    name,
    role,
    city,
    state,
    array_to_string(skills, '; ') as skills,
    array_to_string(list_transform(certs, lambda c: c.name), '; ') as certifications,
    years_experience::integer as years_experience,
    reliability,
    availability,
    hourly_rate,
    resume
from demo_people
join demo_resumes using (n)
order by n;
