-- Who recorded a pathway: below admin, a profile sees its own. Null: nobody but an admin.
alter table control.pathway add column recorded_by varchar;
