// Hello js: a tool of the assistant.
// Interfaces are imported by name; an object for each role is exported.
import { get as configured } from 'carapace:plugin/config@1.0.0';
import { get, put } from 'carapace:plugin/kv@1.0.0';
import { emit } from 'carapace:plugin/log@1.0.0';

const schema = {
  type: 'object',
  properties: { name: { type: 'string', description: 'Whom to greet.' } },
  required: ['name'],
  additionalProperties: false,
};

// What is thrown like this reaches the gateway as an error; anything else counts as a crash.
function refuse(code, message) {
  throw { code, message, retryable: false };
}

function greet({ name }) {
  if (typeof name !== 'string' || name === '') {
    refuse('invalid-parameters', 'Say whom to greet.');
  }
  const before = get(`greeted/${name}`);
  const times = before ? Number(before.value) + 1 : 1;
  put(`greeted/${name}`, String(times), undefined);
  emit('info', `greeted ${name}`);
  const word = JSON.parse(configured('greeting') ?? '"Hello"');
  return `${word}, ${name}! (${times})`;
}

export const manifest = {
  describe: () => ({ id: 'hello-js', version: '0.1.0' }),
};

export const tool = {
  definitions: () => [
    {
      name: 'greet',
      description: 'Greet somebody by name and count how often.',
      schema: JSON.stringify(schema),
      risk: 'write',
    },
  ],
  invoke(name, parameters) {
    if (name !== 'greet') refuse('not-found', `This plugin has no tool ${name}.`);
    return JSON.stringify(greet(JSON.parse(parameters)));
  },
};
