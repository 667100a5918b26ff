/** What request bodies about releases may hold, as JSON schema. Promises: every text and number is bounded; unknown fields are refused. */
const name = { type: 'string', minLength: 1 } as const;
const by = { type: 'string', maxLength: 256 } as const;
const longestMs = 86_400_000;
const countMax = 10_000;

const strategySchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    way: { type: 'string', enum: ['surge', 'in-place'] },
    batch: { type: 'string', maxLength: 16 },
    pause: { type: 'boolean' },
    maxFailures: { type: 'integer', minimum: 0, maximum: countMax },
    minActiveMs: { type: 'integer', minimum: 0, maximum: longestMs },
    healthTimeoutMs: { type: 'integer', minimum: 1_000, maximum: longestMs },
    rollback: { type: 'boolean' },
  },
} as const;

export const releaseSchema: object = {
  type: 'object',
  additionalProperties: false,
  required: ['name'],
  properties: { name, text: { type: 'string' }, strategy: strategySchema, by },
};

export const orderSchema: object = {
  type: 'object',
  additionalProperties: false,
  required: ['action'],
  properties: {
    action: { type: 'string', enum: ['pause', 'resume', 'undo'] },
    to: { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
    by,
  },
};

export const scaleSchema: object = {
  type: 'object',
  additionalProperties: false,
  required: ['name', 'count'],
  properties: { name, count: { type: 'integer', minimum: 0, maximum: countMax }, templateText: { type: 'string' }, by },
};
