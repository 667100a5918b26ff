/**
 * The HTTP API v1 as data: the one of fleet 1.0, kept for its clients.
 * Promises: field names and their order are those of fleet 1.0 (alphabetical); empty fields are left out, so an empty
 * collection is `{}`.
 *
 * Under /fleet/v1 and /v1-alpha:
 * GET    /discovery     -> a description of the API for clients that are generated from it
 * GET    /machines      -> MachinePage      ?nextPageToken=
 * PATCH  /machines         MetadataOperation[] -> 204
 * GET    /units         -> UnitPage         ?nextPageToken=
 * GET    /units/NAME    -> UnitResource
 * PUT    /units/NAME       UnitResource     -> 201 created or replaced, 204 state changed
 * DELETE /units/NAME    -> 204
 * GET    /state         -> UnitStatePage    ?machineID= &unitName= &nextPageToken=
 * GET    /state/NAME    -> UnitStateResource
 * Errors: {"error":{"code":404,"message":"unit does not exist"}}
 */

export interface MachineResource {
  readonly id?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly primaryIP?: string;
}

export interface MachinePage {
  readonly machines?: readonly MachineResource[];
  readonly nextPageToken?: string;
}

export interface UnitOptionResource {
  readonly name?: string;
  readonly section?: string;
  readonly value?: string;
}

export interface UnitResource {
  readonly currentState?: string;
  readonly desiredState?: string;
  readonly machineID?: string;
  readonly name?: string;
  readonly options?: readonly UnitOptionResource[];
}

export interface UnitPage {
  readonly nextPageToken?: string;
  readonly units?: readonly UnitResource[];
}

export interface UnitStateResource {
  readonly hash?: string;
  readonly machineID?: string;
  readonly name?: string;
  readonly systemdActiveState?: string;
  readonly systemdLoadState?: string;
  readonly systemdSubState?: string;
}

export interface UnitStatePage {
  readonly nextPageToken?: string;
  readonly states?: readonly UnitStateResource[];
}

/** One change of a machine's metadata; `path` is `/ID/metadata/KEY`. */
export interface MetadataOperation {
  readonly op: 'add' | 'remove' | 'replace';
  readonly path: string;
  readonly value?: { readonly value: string };
}

export interface ErrorResource {
  readonly error: { readonly code: number; readonly message: string };
}
