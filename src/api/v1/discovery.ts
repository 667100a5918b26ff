/**
 * What generated clients read to learn API v1: a document in the form of Google's API discovery service.
 * Promises: ids, paths and schemas are those of fleet 1.0, so that clients generated from its document fit.
 */

type Json = string | number | boolean | readonly Json[] | { readonly [key: string]: Json };

const text = { type: 'string' } as const;
const listOf = (name: string): Json => ({ type: 'array', items: { $ref: name } });
const query = (type: Json): Json => ({ ...(type as object), location: 'query' });
const unitName: Json = { type: 'string', description: 'Name of the unit.', required: true, location: 'path' };
const nextPageToken = query(text);

const schemas: Json = {
  Machine: {
    id: 'Machine',
    type: 'object',
    properties: {
      id: { ...text, required: true },
      primaryIP: { ...text, required: true },
      metadata: { type: 'object', properties: {}, additionalProperties: text },
    },
  },
  MachinePage: { id: 'MachinePage', type: 'object', properties: { machines: listOf('Machine'), nextPageToken: text } },
  UnitOption: {
    id: 'UnitOption',
    type: 'object',
    properties: {
      section: { ...text, required: true },
      name: { ...text, required: true },
      value: { ...text, required: true },
    },
  },
  Unit: {
    id: 'Unit',
    type: 'object',
    properties: {
      name: { ...text, required: true },
      options: listOf('UnitOption'),
      desiredState: { ...text, enum: ['inactive', 'loaded', 'launched'] },
      currentState: { ...text, enum: ['inactive', 'loaded', 'launched'] },
      machineID: { ...text, required: true },
    },
  },
  UnitPage: { id: 'UnitPage', type: 'object', properties: { units: listOf('Unit'), nextPageToken: text } },
  UnitState: {
    id: 'UnitState',
    type: 'object',
    properties: {
      name: { ...text, required: true },
      hash: { ...text, required: true },
      machineID: { ...text, required: true },
      systemdLoadState: { ...text, required: true },
      systemdActiveState: { ...text, required: true },
      systemdSubState: { ...text, required: true },
    },
  },
  UnitStatePage: {
    id: 'UnitStatePage',
    type: 'object',
    properties: { states: listOf('UnitState'), nextPageToken: text },
  },
};

const resources: Json = {
  Machines: {
    methods: {
      List: {
        id: 'fleet.Machine.List',
        description: 'Retrieve a page of Machine objects.',
        httpMethod: 'GET',
        path: 'machines',
        parameters: { nextPageToken },
        response: { $ref: 'MachinePage' },
      },
    },
  },
  Units: {
    methods: {
      List: {
        id: 'fleet.Unit.List',
        description: 'Retrieve a page of Unit objects.',
        httpMethod: 'GET',
        path: 'units',
        parameters: { nextPageToken },
        response: { $ref: 'UnitPage' },
      },
      Get: {
        id: 'fleet.Unit.Get',
        description: 'Retrieve a single Unit object.',
        httpMethod: 'GET',
        path: 'units/{unitName}',
        parameters: { unitName },
        parameterOrder: ['unitName'],
        response: { $ref: 'Unit' },
      },
      Delete: {
        id: 'fleet.Unit.Delete',
        description: 'Delete the referenced Unit object.',
        httpMethod: 'DELETE',
        path: 'units/{unitName}',
        parameters: { unitName },
        parameterOrder: ['unitName'],
      },
      Set: {
        id: 'fleet.Unit.Set',
        description: 'Create or update a Unit.',
        httpMethod: 'PUT',
        path: 'units/{unitName}',
        parameters: { unitName },
        parameterOrder: ['unitName'],
        request: { $ref: 'Unit' },
      },
    },
  },
  UnitState: {
    methods: {
      List: {
        id: 'fleet.UnitState.List',
        description: 'Retrieve a page of UnitState objects.',
        httpMethod: 'GET',
        path: 'state',
        parameters: { nextPageToken, unitName: query(text), machineID: query(text) },
        response: { $ref: 'UnitStatePage' },
      },
      Get: {
        id: 'fleet.UnitState.Get',
        description: 'Retrieve the state of a single unit.',
        httpMethod: 'GET',
        path: 'state/{unitName}',
        parameters: { unitName },
        parameterOrder: ['unitName'],
        response: { $ref: 'UnitState' },
      },
    },
  },
};

/** The document; `$ENDPOINT` stands for the address that the client uses. */
export const discoveryDocument: Json = {
  kind: 'discovery#restDescription',
  discoveryVersion: 'v1',
  id: 'fleet:v1',
  name: 'schema',
  version: 'v1',
  title: 'fleet API',
  description: '',
  documentationLink: 'http://github.com/coreos/fleet',
  protocol: 'rest',
  icons: { x16: '', x32: '' },
  labels: [],
  baseUrl: '$ENDPOINT/fleet/v1/',
  basePath: '/fleet/v1/',
  rootUrl: '$ENDPOINT/',
  servicePath: 'fleet/v1/',
  batchPath: 'batch',
  parameters: {},
  auth: {},
  schemas,
  resources,
};
