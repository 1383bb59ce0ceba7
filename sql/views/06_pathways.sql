-- How tasks were solved. What is neither retired nor superseded is live.
create or replace view lake.pathways as
select
    uid,
    case
        when retired then 'retired'
        when superseded_by is not null or superseded_at_ns is not null then 'superseded'
        else 'live'
    end as status,
    task_class,
    file_path,
    file_prefix,
    signal_class,
    pathway_id,
    model,
    audit,
    version,
    predecessor_uid,
    superseded_by,
    replay_count,
    replays_succeeded,
    replays_failed,
    replays_succeeded / nullif(replays_succeeded::double + replays_failed, 0) as success_rate,
    retirement_reason,
    from_json(tags::json, '["varchar"]') as tags,
    make_timestamptz(created_at_ns // 1000) as created_at,
    make_timestamptz(updated_at_ns // 1000) as updated_at,
    content::json as trace,
    recorded_by
from control.pathway;
