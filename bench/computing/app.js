// A tool that only computes: it asks the gateway for nothing.
const schema = {
  type: 'object',
  properties: { name: { type: 'string', description: 'Whom to greet.' } },
  required: ['name'],
  additionalProperties: false,
};

export const manifest = {
  describe: () => ({ id: 'hello-js', version: '0.1.0' }),
};

export const tool = {
  definitions: () => [
    {
      name: 'greet',
      description: 'Greet somebody by name.',
      schema: JSON.stringify(schema),
      risk: 'read',
    },
  ],
  invoke(_name, parameters) {
    return JSON.stringify(`Hello, ${JSON.parse(parameters).name}!`);
  },
};
