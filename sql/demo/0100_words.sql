-- The demo: a synthetic staffing company. Nothing here names a real person or firm.
-- Before the first file: set variable workers = 2000; set variable seed = 42;
select error('[INVALID] the demo needs a size from 10 to 1000000; set variable workers = 2000')
where coalesce(try_cast(getvariable('workers') as bigint), 0) not between 10 and 1000000;

select error('[INVALID] the demo needs a whole number as its seed; set variable seed = 42')
where try_cast(getvariable('seed') as bigint) is null;

-- A repeatable draw for row n. The outer hash is needed: DuckDB combines the parts of a hash by xor,
-- so that without it two draws of one row differ by a constant and are fully correlated.
create or replace temp macro demo_draw(n, salt) as
    (hash(hash(getvariable('seed')::bigint, n::bigint, salt)) >> 33)::bigint;

create or replace temp macro demo_unit(n, salt) as
    demo_draw(n, salt) / 2147483648.0::double;

create or replace temp macro demo_pick(words, n, salt) as
    words[1 + demo_draw(n, salt) % len(words)];

-- `k` different words from a list of exactly eight: an odd step visits every one before it repeats.
create or replace temp macro demo_pick_some(words, k, n, salt) as
    list_transform(
        range(k),
        lambda i: words[1 + (demo_draw(n, salt) + i * (1 + 2 * (demo_draw(n, salt || ' step') % 4))) % 8]
    );

create or replace temp macro demo_capital(words) as
    upper(words[1]) || words[2:];

-- ['a', 'b', 'c'] reads 'a, b and c'
create or replace temp macro demo_and(words) as
    case
        when len(words) < 2 then coalesce(words[1], '')
        else array_to_string(words[:-2], ', ') || ' and ' || words[-1]
    end;

create or replace temp macro demo_number(n) as
    case
        when n between 1 and 10
        then ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten'][n]
        else n::varchar
    end;

create or replace temp macro demo_years(n, spelled) as
    case
        when n = 0 then 'less than a year'
        when n = 1 then 'a year'
        when spelled then demo_number(n) || ' years'
        else n || ' years'
    end;

create or replace temp macro demo_first_names() as [
    'Abel', 'Ada', 'Aisha', 'Alonzo', 'Amara', 'Amit', 'Anika', 'Anton', 'Ariel', 'Asa', 'Basil', 'Beatriz',
    'Benita', 'Bo', 'Bram', 'Calla', 'Carmen', 'Cedric', 'Chidi', 'Cleo', 'Corina', 'Cyrus', 'Dalia', 'Damon',
    'Deepa', 'Della', 'Desmond', 'Dinah', 'Edith', 'Elio', 'Elsa', 'Emeka', 'Enid', 'Esteban', 'Farah', 'Felix',
    'Fern', 'Fidel', 'Flora', 'Gideon', 'Gita', 'Greta', 'Gus', 'Hana', 'Harlan', 'Hector', 'Hilda', 'Hugo',
    'Ida', 'Ignacio', 'Imani', 'Ines', 'Ira', 'Isla', 'Ivan', 'Jada', 'Jalen', 'Jonas', 'Josefa', 'Juno',
    'Kai', 'Kamala', 'Keiko', 'Kofi', 'Lars', 'Leila', 'Leon', 'Lidia', 'Linus', 'Lupe', 'Mabel', 'Magnus',
    'Malik', 'Marcel', 'Marisol', 'Milo', 'Mina', 'Moses', 'Nadia', 'Nestor', 'Nia', 'Noel', 'Odessa', 'Olga',
    'Omar', 'Opal', 'Orson', 'Otis', 'Paloma', 'Pavel', 'Pearl', 'Petra', 'Quincy', 'Rafael', 'Ravi', 'Renata',
    'Rhea', 'Roman', 'Rosa', 'Rufus', 'Sabina', 'Samir', 'Selma', 'Silas', 'Sol', 'Suki', 'Tadeo', 'Talia',
    'Tariq', 'Tess', 'Thea', 'Tomas', 'Uma', 'Ursula', 'Vera', 'Vikram', 'Wanda', 'Wendell', 'Xenia', 'Yara',
    'Yusuf', 'Zelda', 'Zeno', 'Zora'
];

-- Family names are two halves put together, so that a reader sees at once that they are made up.
create or replace temp macro demo_name_starts() as [
    'Alder', 'Amber', 'Ash', 'Barley', 'Birch', 'Bramble', 'Bright', 'Cedar', 'Clover', 'Copper', 'Elder', 'Fallow',
    'Fern', 'Flint', 'Frost', 'Glen', 'Gold', 'Granite', 'Hazel', 'Heather', 'Holly', 'Iron', 'Juniper', 'Lark',
    'Linden', 'Maple', 'Marl', 'Moss', 'Oat', 'Pebble', 'Quill', 'Reed', 'Rowan', 'Sage', 'Silver', 'Slate',
    'Sorrel', 'Thistle', 'Umber', 'Willow', 'Winter', 'Yarrow'
];

create or replace temp macro demo_name_ends() as [
    'bank', 'barrow', 'brook', 'crest', 'croft', 'dale', 'den', 'fell', 'field', 'ford', 'gate', 'grove',
    'hollow', 'hurst', 'keep', 'lake', 'ley', 'mere', 'mont', 'moor', 'path', 'ridge', 'row', 'shaw',
    'stead', 'thorpe', 'vale', 'wald', 'water', 'weir', 'well', 'wick', 'wold', 'yard'
];

create or replace temp macro demo_firm_starts() as [
    'Amber', 'Blue', 'Bold', 'Brass', 'Bright', 'Copper', 'Crimson', 'Early', 'Fair', 'First', 'Gentle', 'Golden',
    'Green', 'Happy', 'High', 'Kind', 'Long', 'Lucky', 'Merry', 'North', 'Patient', 'Plain', 'Proud', 'Quick',
    'Quiet', 'Red', 'Silver', 'Steady', 'Sturdy', 'Tall', 'Twin', 'White'
];

create or replace temp macro demo_firm_middles() as [
    'Acorn', 'Anvil', 'Badger', 'Beacon', 'Bell', 'Bison', 'Compass', 'Cricket', 'Falcon', 'Ferry', 'Finch', 'Gable',
    'Hammer', 'Harbor', 'Heron', 'Kettle', 'Lantern', 'Ledger', 'Magpie', 'Mill', 'Otter', 'Owl', 'Pelican',
    'Plover', 'Quarry', 'Rudder', 'Sparrow', 'Spindle', 'Thimble', 'Tortoise', 'Trellis', 'Wagon', 'Willow'
];

create or replace temp table demo_families as
select *
from (values
    ('warehouse', ['Logistics', 'Distribution', 'Warehousing', 'Fulfillment', 'Supply', 'Storage', 'Cross-Dock']),
    ('factory', ['Manufacturing', 'Plastics', 'Packaging', 'Components', 'Molding', 'Paper', 'Assembly']),
    ('food', ['Foods', 'Bakery', 'Provisions', 'Dairy', 'Meats', 'Snacks', 'Canning']),
    ('trade', ['Fabrication', 'Mechanical', 'Steel', 'Industrial Services', 'Construction', 'Works']),
    ('transport', ['Freight', 'Haulage', 'Parcel', 'Delivery', 'Cartage']),
    ('office', ['Office Partners', 'Property Services', 'Billing', 'Benefits', 'Supply Office']),
    ('health', ['Medical Center', 'Community Hospital', 'Care Center', 'Clinic']),
    ('dental', ['Dental Care', 'Dental Group', 'Family Dentistry']),
    ('kitchen', ['Kitchen', 'Catering', 'Grill', 'Cafeteria Services'])
) as t (family, firm_ends);

create or replace temp macro demo_firm(firm_ends, n, salt) as
    demo_pick(demo_firm_starts(), n, salt || ' start')
    || ' ' || demo_pick(demo_firm_middles(), n, salt || ' middle')
    || ' ' || demo_pick(firm_ends, n, salt || ' end');
