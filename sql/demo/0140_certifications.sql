-- How people write each certification. The list is deliberately varied: a search for one wording must not find everybody.
create or replace temp table demo_certifications as
select *
from (values
    ('OSHA-10', ['an OSHA-10 card', 'the OSHA 10-hour card', 'OSHA 10-hour general industry training',
        'the ten-hour OSHA safety course', 'OSHA 10']),
    ('OSHA-30', ['an OSHA-30 card', 'the OSHA 30-hour card', 'thirty-hour OSHA training for supervisors', 'OSHA 30']),
    ('forklift certification', ['a current forklift certification', 'a lift truck operator card',
        'fork truck certification', 'counterbalance truck certification',
        'a sit-down forklift license', 'powered industrial truck operator training']),
    ('reach truck certification', ['reach truck certification', 'a stand-up reach certification',
        'narrow aisle reach sign-off', 'high reach operator training']),
    ('pallet jack certification', ['electric pallet jack certification', 'a walkie rider card',
        'powered pallet truck training']),
    ('order picker lift certification', ['order picker lift certification', 'a cherry picker card with harness training',
        'stock picker lift sign-off']),
    ('CDL-A', ['a Class A CDL', 'a CDL-A with a clean record', 'a commercial Class A driver license']),
    ('DOT medical card', ['a current DOT medical card', 'a DOT physical passed this year']),
    ('AWS welding', ['AWS D1.1 welding certification', 'AWS certified welder papers',
        'an American Welding Society certification']),
    ('HAZWOPER', ['40-hour HAZWOPER', 'HAZWOPER with the yearly refresher',
        'forty-hour hazardous waste operations training']),
    ('ServSafe', ['a ServSafe certificate', 'ServSafe food handler training', 'a food handler card from ServSafe']),
    ('NCCCO crane', ['NCCCO crane certification', 'an NCCCO crane card', 'national crane operator certification']),
    ('rigging and signals', ['qualified rigger training', 'a rigging and signal person card']),
    ('journeyman electrician licence', ['a journeyman electrician license', 'a state journeyman card',
        'journeyman papers as an electrician']),
    ('RN licence', ['an active RN license', 'a state registered nurse license']),
    ('dental hygiene licence', ['a state dental hygiene license', 'an active hygienist license']),
    ('BLS', ['BLS for healthcare providers', 'basic life support']),
    ('CPR', ['CPR and first aid', 'a CPR card', 'CPR and AED training', 'adult CPR certification']),
    ('lockout/tagout', ['lockout/tagout training', 'LOTO authorization', 'energy lockout training']),
    ('confined space entry', ['confined space entry training', 'permit space entrant and attendant training']),
    ('EPA 608', ['EPA 608 universal', 'an EPA section 608 refrigerant card']),
    ('NIMS machining', ['NIMS machining credentials', 'a NIMS card for milling and turning']),
    ('ASQ inspector', ['ASQ quality inspector certification', 'a certified quality inspector card']),
    ('notary public', ['a notary commission', 'notary public papers'])
) as t (certification, wordings);

-- How many in a hundred workers of a role hold a certification.
create or replace temp table demo_role_certifications as
select
    role,
    list({'name': certification, 'chance': chance, 'wordings': wordings} order by chance desc, certification) as certs
from (
    select role, 'OSHA-10' as certification, 35 as chance
    from demo_roles
    where family = 'warehouse' and role <> 'dock supervisor'
    union all
    select role, 'OSHA-10', 28
    from demo_roles
    where family in ('factory', 'trade')
    union all
    select role, 'CPR', 9
    from demo_roles
    where family not in ('health', 'dental')
    union all
    select *
    from (values
        ('forklift operator', 'forklift certification', 88), ('forklift operator', 'reach truck certification', 18),
        ('forklift operator', 'pallet jack certification', 22), ('reach truck operator', 'reach truck certification', 90),
        ('reach truck operator', 'forklift certification', 45),
        ('reach truck operator', 'order picker lift certification', 15),
        ('warehouse associate', 'forklift certification', 22), ('warehouse associate', 'pallet jack certification', 20),
        ('order picker', 'order picker lift certification', 45), ('order picker', 'pallet jack certification', 30),
        ('loader', 'forklift certification', 20), ('loader', 'pallet jack certification', 25),
        ('shipping clerk', 'forklift certification', 10), ('inventory clerk', 'forklift certification', 12),
        ('pallet jack operator', 'pallet jack certification', 85), ('pallet jack operator', 'forklift certification', 20),
        ('cold storage worker', 'forklift certification', 35), ('cold storage worker', 'ServSafe', 15),
        ('dock supervisor', 'OSHA-30', 65), ('dock supervisor', 'forklift certification', 55),
        ('dock supervisor', 'OSHA-10', 35), ('machine operator', 'lockout/tagout', 30),
        ('machine operator', 'forklift certification', 12), ('CNC operator', 'NIMS machining', 50),
        ('production worker', 'forklift certification', 8), ('quality technician', 'ASQ inspector', 45),
        ('sanitation worker', 'lockout/tagout', 35), ('sanitation worker', 'ServSafe', 20),
        ('food production worker', 'ServSafe', 60), ('welder', 'AWS welding', 78),
        ('welder', 'confined space entry', 18), ('electrician', 'journeyman electrician licence', 92),
        ('electrician', 'lockout/tagout', 50), ('electrician', 'OSHA-30', 30),
        ('maintenance technician', 'lockout/tagout', 60), ('maintenance technician', 'EPA 608', 30),
        ('maintenance technician', 'confined space entry', 20), ('maintenance technician', 'OSHA-30', 15),
        ('crane operator', 'NCCCO crane', 90), ('crane operator', 'rigging and signals', 60),
        ('crane operator', 'OSHA-30', 25), ('hazmat handler', 'HAZWOPER', 92),
        ('hazmat handler', 'confined space entry', 35), ('delivery driver', 'DOT medical card', 70),
        ('delivery driver', 'CDL-A', 45), ('administrative assistant', 'notary public', 20),
        ('registered nurse', 'RN licence', 100), ('registered nurse', 'BLS', 85),
        ('dental hygienist', 'dental hygiene licence', 100), ('dental hygienist', 'BLS', 60),
        ('line cook', 'ServSafe', 65)
    ) as t (role, certification, chance)
)
join demo_certifications using (certification)
group by role;
