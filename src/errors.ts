/**
 * The catalogue of every error that a person can see: its code, HTTP status, sentence and remedy.
 * Nothing else in the project words an error for people. A sentence says what happened and to which
 * object; the remedy says what to do next. `{name}` is filled from the parameters.
 */
export interface CatalogueEntry {
  /** HTTP status with which the API answers when the error reaches it. */
  readonly status: number;
  readonly text: string;
  readonly remedy: string;
}

export const catalogue = {
  // -- the program itself
  'node-too-old': {
    status: 500,
    text: 'Crosswalk needs Node.js 22.19 or later; this is {found}.',
    remedy:
      'Run it through npm (npm start, npx crosswalk), which brings its own Node.js, or install a newer one.',
  },
  internal: {
    status: 500,
    text: 'Something inside Crosswalk failed: {detail}.',
    remedy:
      'Nothing that was acknowledged is lost. Report this with the log line that carries the same time.',
  },
  // -- the contract with connectors
  'connector-contract': {
    status: 500,
    text: 'Connector {connector} broke its contract: {detail}.',
    remedy: 'This is a fault in the connector, not in your data. Report it to its author.',
  },
  // -- mappings and entities
  'mapping-unreadable': {
    status: 422,
    text: 'This is not JSON: {detail}.',
    remedy:
      'Correct the file at the line named; most often a comma or a quotation mark is missing or one too many.',
  },
  'mapping-shape': {
    status: 422,
    text: 'The mapping {detail}.',
    remedy:
      'Correct the place named. mappings/mapping.schema.json says what a mapping may hold; most editors show it while you type.',
  },
  'entity-shape': {
    status: 422,
    text: 'The entity {detail}.',
    remedy:
      'An entity is a JSON Schema (draft 2020-12) of type object, with "$id" as its name and one property a field.',
  },
  'mapping-entity': {
    status: 422,
    text: 'The mapping is for entity {wanted}, and was given entity {found}.',
    remedy: 'Correct "entity" in the mapping, or add {wanted}.schema.json to mappings/entities/.',
  },
  'mapping-twice': {
    status: 422,
    text: 'There is another mapping {name}, in {other}.',
    remedy: 'Give one of them another name: syncs know mappings by it.',
  },
  'kind-shape': {
    status: 422,
    text: 'The schema of a kind {detail}.',
    remedy: 'A kind is described by a JSON Schema (draft 2020-12) of type object, one property a place.',
  },
  'mapping-kind-unknown': {
    status: 422,
    text: 'Nothing is known of {connector}/{kind}{hint}: its places and types are taken on trust.',
    remedy:
      'Correct the names under "remote", or describe the kind in {kind}.schema.json beside the mapping.',
  },
  'mapping-required': {
    status: 422,
    text: '{who} requires {what}, and no field {does} it.',
    remedy: 'Map it, or leave the creating of such objects to another mapping.',
  },
  'mapping-outcome': {
    status: 422,
    text: 'Field {field} makes {made} of {value}, and {side} does not take that{hint}.',
    remedy: 'Correct the table or the steps of the field, or the schema of that side.',
  },
  'mapping-pointer-hostile': {
    status: 422,
    text: 'The pointer {pointer} leads through a name that is not allowed (__proto__, constructor, prototype).',
    remedy: 'Name the place that really holds the value.',
  },
  'mapping-pointer-unknown': {
    status: 422,
    text: '{connector} has no place {pointer} in a {kind}{hint}.',
    remedy:
      'Use a place that the kind has; connectors/{connector}/schema/{kind}.json lists them, or {kind}.schema.json beside the mapping.',
  },
  'mapping-read-only': {
    status: 422,
    text: 'The place {pointer} cannot be written, and field {field} is to be written there.',
    remedy: 'Add "flow": "in" to the field.',
  },
  'mapping-field-unknown': {
    status: 422,
    text: 'Entity {entity} has no field {field}{hint}.',
    remedy: 'Correct the name, or add the field to the entity.',
  },
  'mapping-step-unknown': {
    status: 422,
    text: 'There is no step {step}{hint}.',
    remedy: 'Use one of the steps: {known}.',
  },
  'mapping-step-argument': {
    status: 422,
    text: 'The argument of step {step} {detail}.',
    remedy: '{doc}',
  },
  'mapping-places': {
    status: 422,
    text: 'Field {field} {detail}.',
    remedy:
      'Name one place, or start the steps with one that composes several: person-name takes two or three, join any number.',
  },
  'mapping-row-key': {
    status: 422,
    text: 'The rows of field {field} are told apart by {key}, and {key} is not {detail} as they are.',
    remedy: 'Let the key go both ways ("flow"), or the table only one.',
  },
  'mapping-types': {
    status: 422,
    text: 'Field {field}: {detail}.',
    remedy:
      'Put a step between that turns one into the other (number, integer, string, boolean, time, table), or change the place.',
  },
  'mapping-uncovered': {
    status: 422,
    text: 'Field {field} has no answer for {value}, which {side} may hold.',
    remedy:
      'Add it to the table, or say with "otherwise" what becomes of it: "park", "null", "keep", "pass", a value, or {"in": …, "out": …}.',
  },
  'mapping-otherwise': {
    status: 422,
    text: 'Field {field} says "otherwise" {detail}.',
    remedy: '{instead}',
  },
  'mapping-lossy': {
    status: 422,
    text: 'Field {field} is written as well as read, and step {step} has no way back.',
    remedy: 'Add "flow": "in", or use a step that has a way back.',
  },
  'mapping-same-place': {
    status: 422,
    text: 'The fields {field} and {other} both write {pointer}.',
    remedy: 'Let only one of them write it; give the other "flow": "in".',
  },
  'mapping-unmapped': {
    status: 422,
    text: 'Nothing is said about {pointer}, which {connector} has in a {kind}.',
    remedy: 'Map it to a field, or list it under "ignored".',
  },
  'mapping-no-examples': {
    status: 422,
    text: 'The mapping has no examples.',
    remedy: 'Add one under "examples": a remote object and the fields that it should give.',
  },
  'mapping-example-gap': {
    status: 422,
    text: 'No example shows field {field}.',
    remedy: 'Add a value for it to an example, different from all others there.',
  },
  'mapping-example-alike': {
    status: 422,
    text: 'No example tells field {field} from field {other}: they hold the same in each.',
    remedy: 'Give one of them another value in an example, so that a mix-up of the two would show.',
  },
  'mapping-example-idle': {
    status: 422,
    text: 'No example needs {what} of field {field}: without it they would all still hold.',
    remedy: 'Add or change an example so that it makes a difference, or take it out.',
  },
  'mapping-limit': {
    status: 422,
    text: 'Field {field}: {side} takes {takes}.',
    remedy:
      'Add the step {"truncate": n} to cut it, or say "overflow": "park" (a person decides) or "refuse" (it is not taken), for the field or at the top for all.',
  },
  'mapping-reference': {
    status: 422,
    text: 'The mapping names another entity, and {detail}.',
    remedy:
      'Correct the name; mappings/entities/ lists the entities, in the installation and in the program.',
  },
  'mapping-when': {
    status: 422,
    text: 'The mapping is for objects by "when", and {detail}.',
    remedy: 'Correct the values of "when", or the place that they are compared with.',
  },
  'mapping-route': {
    status: 422,
    text: 'The table that decides field {field} {detail}.',
    remedy: 'Correct the place named; mappings/README.md tells how routing tables are written.',
  },
  'mapping-route-idle': {
    status: 422,
    text: 'No example needs {what} in the table that decides field {field}: without it they would all land where they do.',
    remedy: 'Add an example that makes a difference, so that its loss would show, or take it out.',
  },
  'mapping-example-fails': {
    status: 422,
    text: 'The example does not hold: field {field} {detail}.',
    remedy: 'Correct the example or the steps of the field.',
  },
  'mapping-example-strange': {
    status: 422,
    text: 'The example is no object as {connector} shows it: {detail}.',
    remedy: 'Correct the place in the example, or the schema of the kind.',
  },
  'mapping-round-trip': {
    status: 422,
    text: 'Field {field} does not come back: {wrote} was written and {read} was read.',
    remedy:
      'Correct the steps, or declare what the remote does to the value with "remote", or add "flow": "in".',
  },
  // -- what a remote system is like now, and what was known of it
  'drift-gone': {
    status: 422,
    text: 'The place {pointer} is no longer there in {kind}.',
    remedy:
      'Name the place that holds the value now, or take the field out; or put it back in the remote system.',
  },
  'drift-new': {
    status: 422,
    text: 'The place {pointer} is new in {kind}, and holds {is}.',
    remedy: 'Map it to a field, or list it under "ignored".',
  },
  'drift-type': {
    status: 422,
    text: 'The place {pointer} of {kind} holds {is} now, and held {was} before.',
    remedy: 'Put a step between that turns one into the other, or change it back in the remote system.',
  },
  'drift-option-gone': {
    status: 422,
    text: 'The place {pointer} of {kind} no longer has the option {was}{hint}.',
    remedy: 'Name the option that stands for it now in the table; or put it back in the remote system.',
  },
  'drift-option-new': {
    status: 422,
    text: 'The place {pointer} of {kind} has a new option, {is}.',
    remedy: 'Add it to the table, or say with "otherwise" what becomes of it.',
  },
  'drift-read-only': {
    status: 422,
    text: 'The place {pointer} of {kind} can no longer be written.',
    remedy: 'Add "flow": "in" to the field, or let it be written again in the remote system.',
  },
  'drift-writable': {
    status: 422,
    text: 'The place {pointer} of {kind} can be written now.',
    remedy: 'Nothing needs to be done. Take out "flow": "in" if the field is to be written there.',
  },
  'drift-required': {
    status: 422,
    text: 'The place {pointer} of {kind} must be filled now.',
    remedy: 'See to it that the field is always filled ("required", or a default step).',
  },
  'drift-optional': {
    status: 422,
    text: 'The place {pointer} of {kind} may be empty now.',
    remedy: 'Nothing needs to be done, unless the field must be filled: then say "required".',
  },
  'drift-narrower': {
    status: 422,
    text: 'The place {pointer} of {kind} takes less than before: {is}, and it was {was}.',
    remedy:
      'Say with a step (truncate, table) or with "overflow" what becomes of the rest, or widen it again in the remote system.',
  },
  'drift-wider': {
    status: 422,
    text: 'The place {pointer} of {kind} takes more than before: {is}, and it was {was}.',
    remedy: 'See to it that the field takes what may come from there now.',
  },
  'drift-unasked': {
    status: 502,
    text: 'What {kind} is like now could not be asked: {said}.',
    remedy:
      'Try it with `crosswalk doctor`; the connector’s README.md says which rights the credentials need for it.',
  },
  'sync-drifted': {
    status: 409,
    text: '{kind} has changed in the remote system, and mapping {mapping} of sync {sync} no longer fits it. {list}.',
    remedy:
      'Correct the mapping and restart, or put it back in the remote system; then: crosswalk resume {sync}',
  },
  'parked-not-covered': {
    status: 422,
    text: '{message}',
    remedy:
      'Add the value to the table of the field, or say there with "otherwise" what becomes of it; or correct it there. Then: crosswalk parked replay {id}.',
  },
  'parked-unfit': {
    status: 422,
    text: '{message}',
    remedy:
      'Correct the value there, and the next look takes it; or change the steps of the field (crosswalk map --why shows how it is read), then: crosswalk parked replay {id}.',
  },
  'parked-overflow': {
    status: 422,
    text: '{message}',
    remedy:
      'Shorten it there; or cut it with {"truncate": n}, or say "overflow": "refuse" in the mapping, then: crosswalk parked replay {id}.',
  },
  'parked-required': {
    status: 422,
    text: '{message}',
    remedy:
      'Fill the place there, and the next look takes it; or take "required" off the field, then: crosswalk parked replay {id}.',
  },
  'parked-when': {
    status: 422,
    text: '{message}',
    remedy:
      'Make it there what it was, or drop it (crosswalk parked drop {id}); correct "when" in the mapping if it should be taken.',
  },
  'parked-other': {
    status: 422,
    text: '{message}',
    remedy:
      'crosswalk parked show {id} shows all of it. When its cause is gone: crosswalk parked replay {id}; to give it up: crosswalk parked drop {id}.',
  },
  'sync-kind-closed': {
    status: 500,
    text: 'Sync {sync} needs the kind {kind}, which connection {connection} does not offer with its settings.',
    remedy: "Complete the settings of the connection (see the connector's README), or remove the sync.",
  },
  // -- what people ask
  'trace-nothing': {
    status: 404,
    text: 'Nothing is known of {object}.',
    remedy:
      'Check the spelling (connection/kind/id, the id as the remote shows it). If it is new there, the next poll or sweep brings it.',
  },
  'not-there': {
    status: 404,
    text: '{what} {id} is not there, or was settled meanwhile.',
    remedy: 'List what there is now and take the id from there.',
  },
  'record-pruned': {
    status: 404,
    text: 'How record {id} was at {at} is not known any more: its history has been pruned up to {since}.',
    remedy:
      'Ask for a later time, or look into a backup from then. keep.lineage in crosswalk.yaml says how long history is kept.',
  },
  'record-unborn': {
    status: 404,
    text: 'Record {id} did not exist yet at {at}; it was made at {made}.',
    remedy: 'Ask for a later time; crosswalk trace tells its whole story.',
  },
  protected: {
    status: 409,
    text: 'Field {field} of record {record} is protected: {who} may change it.',
    remedy:
      'Decide for ours, let one who may change it decide, or name them under entities.<entity>.protect.',
  },
  'transition-waits': {
    status: 409,
    text: 'Field {field} of record {record} was not taken from {sync} {object}: {detail}.',
    remedy:
      'Fill what is missing, or let the steps between be made, and it is taken by itself; or decide it: crosswalk conflicts resolve {id} --theirs (or --ours, which writes ours back).',
  },
  'merge-refused': {
    status: 409,
    text: '{what}: not merged or taken apart, because {detail}.',
    remedy: 'Look at both (crosswalk record, crosswalk candidates show); nothing was changed.',
  },
  'merge-busy': {
    status: 409,
    text: '{what}: not now, because {detail}.',
    remedy: 'Try it again in a moment; nothing was changed.',
  },
  'undo-scope': {
    status: 400,
    text: 'What is to be undone is not clear: {detail}.',
    remedy:
      'Name one run, or a connection, or a span of time (both its ends), or a connection and a span; nothing was changed.',
  },
  unauthorised: {
    status: 401,
    text: 'The API needs its token.',
    remedy:
      'Send it as "Authorization: Bearer <token>"; server.tokenRef in crosswalk.yaml says where it is kept.',
  },
  'request-shape': {
    status: 400,
    text: 'The request does not fit: {detail}.',
    remedy: 'Correct it and send it again; nothing was changed.',
  },
  // -- the command
  usage: {
    status: 400,
    text: 'The command was not understood: {detail}.',
    remedy: 'crosswalk <command> --help tells how it is used.',
  },
  'init-occupied': {
    status: 409,
    text: '{folder} already has {files}.',
    remedy: 'Name another folder, or add --force to overwrite them.',
  },
  'map-unknown': {
    status: 404,
    text: 'There is no mapping {name}.{hint}',
    remedy: 'Name one of: {known}.',
  },
  'input-unreadable': {
    status: 400,
    text: 'The file {file} cannot be read: {detail}.',
    remedy: 'Check the path, and that this user may read it.',
  },
  'table-unreadable': {
    status: 422,
    text: 'The table cannot be read: {detail}.',
    remedy:
      'Correct the file at the line named. It is a table with names of columns in its first row, separated by commas, semicolons or tabs.',
  },
  'table-column': {
    status: 422,
    text: 'The table {file} has no column {name}{hint}.',
    remedy: 'Name one of: {known}.',
  },
  'field-sort': {
    status: 422,
    text: 'There is no sort of fields called {name}{hint}.',
    remedy: 'Use one of: {known}.',
  },
  'dedupe-nothing': {
    status: 422,
    text: 'There is nothing to compare: {detail}.',
    remedy: 'Name the fields and their sorts, for instance --fields name:person,mobile:phone.',
  },
  'model-shape': {
    status: 422,
    text: 'This is no model that an earlier search has written: {detail}.',
    remedy: 'Name the file that --model has written, or one that does not exist yet, so that it is written.',
  },
  'output-unwritable': {
    status: 500,
    text: 'The file {file} cannot be written: {detail}.',
    remedy: 'Check the path, the room on the disk, and that this user may write there.',
  },
  'sync-cannot': {
    status: 422,
    text: 'Sync {sync} says "{detail}", and connection {connection} cannot do that with a {kind}.',
    remedy: 'Set "direction: in", or take out "create: true"; the connector’s README.md says what it can.',
  },
  'sync-deletes': {
    status: 422,
    text: 'Sync {sync} says "deletes: {deletes}", and a {kind} of connection {connection} {detail}.',
    remedy:
      'Write "deletes: ignore" if deletions are to stay where they happen; the connector’s README.md says what it can.',
  },
  'sync-mapping-beyond': {
    status: 422,
    text: 'Sync {sync}: mapping {mapping} has {what}, which syncs do not follow yet.',
    remedy: 'Try the mapping with "crosswalk map" meanwhile, or take the parts out of it.',
  },
  'notice-no-voice': {
    status: 422,
    text: 'Notice {notice} goes to connection {connection}, which cannot send messages.',
    remedy: 'Name a connection under "to" that can, such as a WeCom robot.',
  },
  'listen-refused': {
    status: 500,
    text: 'The address {host}, port {port} cannot be listened on: {detail}.',
    remedy: 'Stop what holds it, or choose another with --port, CROSSWALK_PORT or server.port.',
  },
  'remote-trouble': {
    status: 502,
    text: 'A remote system did not answer as it should ({kind}): {said}.',
    remedy: 'Nothing is lost. `crosswalk doctor` tries each connection; then do this again.',
  },
  paused: {
    status: 409,
    text: '{name} is paused: {why}.',
    remedy: 'Start it again with `crosswalk resume {name}`.',
  },
  'repair-value': {
    status: 422,
    text: 'The repair of field {field} fails for record {record}: {detail}.',
    remedy: 'Nothing was changed. Correct the expression, or leave such records out with --where.',
  },
  'publish-cannot': {
    status: 409,
    text: 'Sync {sync} cannot be published: it {detail}.',
    remedy: 'Take "mode" out of crosswalk.yaml to decide at run time; what the file says always holds.',
  },
  'budget-exceeded': {
    status: 409,
    text: 'Sync {sync} {why}.',
    remedy: 'Nothing was written. `crosswalk sync {sync} --plan` shows what would be.',
  },
  'plan-outdated': {
    status: 409,
    text: 'Plan {plan} is not applied: {detail}.',
    remedy: 'Nothing was changed. Make it anew: crosswalk sync {sync} --plan --save.',
  },
  'sync-unfinished': {
    status: 504,
    text: 'The running gateway has not finished reading for sync {sync} after {seconds} s.',
    remedy: 'It goes on by itself. `crosswalk status` and its log tell what it waits for.',
  },
  'store-held': {
    status: 409,
    text: 'The store {file} is worked by {holder}.',
    remedy:
      'One gateway works a store at a time: stop that one, or give this installation a store of its own.',
  },
  'store-lost': {
    status: 500,
    text: 'Another process has taken over the store {file}, or it could not be written for ten seconds.',
    remedy:
      'This one stopped so that no two work it. Nothing is lost; look for a second gateway or a full disk.',
  },
  'store-unusable': {
    status: 500,
    text: 'The store cannot be used: {detail}.',
    remedy: 'Check that its disk has room and that this user may write it; `crosswalk doctor` tries both.',
  },
  'store-missing': {
    status: 500,
    text: 'There is no store at {file} yet.',
    remedy: 'Start the gateway once (crosswalk serve), or correct store.path or --dir.',
  },
  // -- the store
  'store-newer': {
    status: 500,
    text: 'The store {file} was written by a newer release (schema {found}); this one understands schema {known}.',
    remedy: 'Start the newer release again, or restore a backup made before the upgrade.',
  },
  'store-away': {
    status: 503,
    text: 'The store {store} cannot be reached: {detail}.',
    remedy:
      'Nothing that was acknowledged is lost, and work goes on by itself once it answers. Look at the database and the network to it; `crosswalk doctor` tries both.',
  },
  'store-full': {
    status: 503,
    text: 'The disk of the store {store} is full: {detail}.',
    remedy:
      'Nothing that was acknowledged is lost, and work goes on by itself once there is room. Make room on that disk; `crosswalk doctor` says how much is left.',
  },
  'store-filled': {
    status: 409,
    text: 'The store {store} is not empty: it has rows in {table}.',
    remedy: 'Name an empty one: a file that does not exist yet, a new database, or another store.schema.',
  },
  'copy-differs': {
    status: 500,
    text: 'Table {table} of the store {store} is not what was to be copied: counts or hashes differ.',
    remedy: 'Nothing was kept there. Try again; if it happens twice, report it, and look at the disk.',
  },
  'backup-broken': {
    status: 422,
    text: 'The backup {file} cannot be restored: {detail}.',
    remedy: 'Nothing was written. Take another backup; look at the disk that held this one.',
  },
  'store-contended': {
    status: 503,
    text: 'A change to {object} was overtaken by another five times in a row.',
    remedy: 'Nothing is lost: the call is on disk, and is settled again after a restart.',
  },
  // -- configuration and connections
  'config-missing': {
    status: 500,
    text: 'There is no configuration at {file}.',
    remedy: 'Run `crosswalk init` to write one, or name the folder that holds crosswalk.yaml.',
  },
  'config-unreadable': {
    status: 422,
    text: 'This is not YAML that Crosswalk reads: {detail}.',
    remedy: 'Correct the line named; most often the indentation or a quotation mark is wrong.',
  },
  'config-shape': {
    status: 422,
    text: 'This {detail}.',
    remedy:
      'Correct the place named. config.schema.json says what a configuration may hold; most editors show it while you type.',
  },
  'config-invalid': {
    status: 422,
    text: 'The configuration has {count} faults:{list}',
    remedy: 'Correct the places named; each is told with what to do by `crosswalk check`.',
  },
  'config-unknown': {
    status: 422,
    text: 'There is no {what} {name}{where}{hint}.',
    remedy: 'Correct the name, or add the {what}.',
  },
  'config-resurrect': {
    status: 422,
    text: 'Sync {sync} says "resurrect: true", and {detail}.',
    remedy: 'Add "create: true" and a direction that writes, or take "resurrect" out.',
  },
  'config-no-owner': {
    status: 422,
    text: 'The policy owner is set for {field}, which has no owner in entity {entity}.',
    remedy: 'Name a connection for it under entities.{entity}.owners, or choose newest, keep or ask.',
  },
  'config-one': {
    status: 422,
    text: 'At most one may have {field} of entity {entity}, and {field} is not true or false, or names itself.',
    remedy:
      'Name a field of type boolean under entities.{entity}.one, such as main, and the field that says whose it is.',
  },
  'config-amount': {
    status: 422,
    text: 'The budget of money {value} {detail}.',
    remedy: 'Write it as "1000000.00 CNY/day" (or /run), for a sync whose entity has money fields.',
  },
  'config-transition': {
    status: 422,
    text: 'The guard of field {field} of entity {entity} cannot be kept: {detail}.',
    remedy:
      'Correct entities.{entity}.transitions.{field}: it takes fields of text, and other fields as evidence.',
  },
  'config-two-owners': {
    status: 422,
    text: 'Field {field} of entity {entity} has two owners, {one} and {other}.',
    remedy: 'Leave one owner for it; give the other the role writer.',
  },
  'config-mismatch': {
    status: 422,
    text: 'Mapping {mapping} is for connector {wanted}, and connection {connection} is a {found}.',
    remedy: 'Name a mapping of that connector, or another connection.',
  },
  'config-reference': {
    status: 422,
    text: 'Field {field} of mapping {mapping} names a {entity}, and {detail}.',
    remedy: '{instead}, or take the field out of the mapping.',
  },
  'config-row-key': {
    status: 422,
    text: 'Mappings {one} and {other} do not tell the rows of {field} of entity {entity} apart alike: {oneKey}, and {otherKey}.',
    remedy: 'Give both the same key, one that both systems know, such as a line number: rows merge by it.',
  },
  'config-same-sync': {
    status: 422,
    text: 'The syncs {one} and {other} both bind connection {connection} through mapping {mapping}.',
    remedy: 'Leave one of them.',
  },
  'config-schedule': {
    status: 422,
    text: '{value} is neither a time from 1s to 31d nor a cron expression.',
    remedy: 'Write a time such as 30s, 5m, 1h or 1d, or a cron expression such as "0 3 * * *".',
  },
  'config-template': {
    status: 422,
    text: 'The text of the notice {detail}.',
    remedy: 'Use these places, each closed by two braces: {places}.',
  },
  'config-fallback': {
    status: 422,
    text: 'The text of the notice has places that may be empty, and no fallback for them: {places}.',
    remedy: 'Say under "fallback" what stands there then, for instance: {example}.',
  },
  'config-open-server': {
    status: 422,
    text: 'The server would listen on {host}, beyond this machine, without a token.',
    remedy:
      'Set server.tokenRef to a reference such as "${env:CROSSWALK_TOKEN}", or server.host to 127.0.0.1.',
  },
  'config-environment': {
    status: 422,
    text: 'The environment variable {name} {detail}.',
    remedy: 'Correct or remove it; it overrides crosswalk.yaml.',
  },
  'connector-unknown': {
    status: 422,
    text: 'There is no connector {name}{hint}.',
    remedy:
      'Use one of: {known}. An own connector is a folder with an index.js or index.ts in connectors/ beside crosswalk.yaml.',
  },
  'connector-broken': {
    status: 500,
    text: 'Connector {name} cannot be loaded: {detail}.',
    remedy: 'Correct the file named, or remove the connections that use it.',
  },
  'connector-refused': {
    status: 422,
    text: 'Connection {connection} cannot be opened with these settings: {said}.',
    remedy: 'Correct the settings. The connector’s README.md says where to find each value.',
  },
  'settings-shape': {
    status: 422,
    text: 'Connection {connection}: {setting} {detail}.',
    remedy: 'Correct the setting. The connector’s README.md says where to find each value.',
  },
  'setting-reference': {
    status: 422,
    text: '{what}: {reference} {detail}.',
    remedy:
      'Set the environment variable, or put the file in its place; the path counts from the folder of crosswalk.yaml.',
  },
  'setting-inline-secret': {
    status: 422,
    text: 'Connection {connection}: {setting} is a secret and stands in the configuration as it is.',
    remedy:
      'Put it into an environment variable or a file and write "${env:NAME}" or "${file:path}" here. If the file was ever shared, replace the secret.',
  },
  // -- keys, and what is sealed with them
  'key-missing': {
    status: 409,
    text: '{what}, and there is no master key to seal them with.',
    remedy:
      'Nothing was sent, and nothing is ever stored unsealed. Make a key with `crosswalk key new`, put it into CROSSWALK_KEY or the file that keyRef in crosswalk.yaml names, and start again.',
  },
  'key-shape': {
    status: 422,
    text: '{where}: key {n} is not 32 bytes in Base64.',
    remedy: 'Make one with `crosswalk key new`; several are separated by commas or lines.',
  },
  'key-unknown': {
    status: 409,
    text: '{what} with key {key}, which is not among the keys here.',
    remedy:
      'Put that key back beside the others and do this again. If it is lost: `crosswalk key forget {connection} --yes`, then authorise the connection anew.',
  },
  'seal-broken': {
    status: 500,
    text: 'What is stored for connection {connection} does not open: it was changed, or belongs to another row.',
    remedy:
      'Restore the store from a backup, or `crosswalk key forget {connection} --yes` and authorise the connection anew.',
  },
  'credential-refused': {
    status: 502,
    text: 'The remote does not take the secrets of connection {connection} any more: {said}.',
    remedy:
      'Authorise the connection anew and put what you get into its settings; then `crosswalk resume {connection}`.',
  },
  'credential-lost': {
    status: 502,
    text: 'The remote has dropped the refresh token of connection {connection} ({said}), and what replaced it never arrived here: a renewal began at {begun} and nobody knows how it ended.',
    remedy:
      'Both are gone. Authorise the connection anew and put what you get into its settings; then `crosswalk resume {connection}`.',
  },
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof catalogue;
export type ErrorParams = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** Where in somebody's input the error lies: any part may be missing. `line` counts from 1. */
export interface Place {
  readonly file?: string;
  readonly line?: number;
  readonly pointer?: string;
  readonly row?: number;
}

const fill = (text: string, params: ErrorParams): string =>
  text.replace(/\{(\w+)\}/g, (_, name: string) => String(params[name] ?? '?'));

/** `file:line pointer (row n)`, leaving out what is unknown. */
export const placeText = (place: Place): string =>
  [
    place.file === undefined ? '' : place.line === undefined ? place.file : `${place.file}:${place.line}`,
    place.pointer ?? '',
    place.row === undefined ? '' : `(row ${place.row})`,
  ]
    .filter((part) => part !== '')
    .join(' ');

/** An error from the catalogue. `message` is the whole sentence with its place; `remedy` what to do. */
export class CrosswalkError extends Error {
  readonly code: ErrorCode;
  readonly params: ErrorParams;
  readonly place: Place;
  readonly status: number;
  readonly remedy: string;

  constructor(code: ErrorCode, params: ErrorParams = {}, place: Place = {}, cause?: unknown) {
    const entry: CatalogueEntry = catalogue[code];
    const where = placeText(place);
    super((where === '' ? '' : `${where}: `) + fill(entry.text, params), { cause });
    this.name = 'CrosswalkError';
    this.code = code;
    this.params = params;
    this.place = place;
    this.status = entry.status;
    this.remedy = fill(entry.remedy, params);
  }
}

/** Throws unless `condition` holds; for what only a fault in Crosswalk itself could break. */
export function invariant(condition: unknown, detail: string): asserts condition {
  if (!condition) throw new CrosswalkError('internal', { detail });
}
