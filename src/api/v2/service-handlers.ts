/** The service directory over HTTP. Promises: answers from memory; every list is sorted. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isKnownService, servicesOf } from '../../core/directory.ts';
import { failure, success } from '../../core/failure.ts';
import type { ServiceList } from '../../protocol/v2.ts';
import { pathValue, queryValues } from '../http.ts';
import { shown } from '../json.ts';
import { describeServices, prometheusTargets } from '../service-views.ts';
import { sendView, type Scene } from './scene.ts';

export function listServices(scene: Scene, _: FastifyRequest, reply: FastifyReply): FastifyReply {
  return sendView(scene, reply, (viewed) =>
    success<ServiceList>({ revision: viewed.snapshot.revision, services: describeServices(servicesOf(viewed)) }),
  );
}

/** One service, an entry for each of its port names; none while no instance is listed. */
export function getService(scene: Scene, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const name = pathValue(request, 'name');
  return sendView(scene, reply, (viewed) => {
    const services = servicesOf(viewed).filter((service) => service.name === name);
    if (services.length === 0 && !isKnownService(viewed, name)) {
      return failure('SERVICE_NOT_FOUND', `no unit belongs to a service ${shown(name)}`);
    }
    return success<ServiceList>({ revision: viewed.snapshot.revision, services: describeServices(services) });
  });
}

/** Prometheus keeps the targets it has when this is refused, which it is while nothing is known. */
export function getPrometheusTargets(scene: Scene, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const names = queryValues(request, 'service');
  const ports = queryValues(request, 'port');
  return sendView(scene, reply, (viewed) =>
    success(
      prometheusTargets(
        servicesOf(viewed).filter(
          ({ name, portName }) =>
            (names.length === 0 || names.includes(name)) && (ports.length === 0 || ports.includes(portName)),
        ),
      ),
    ),
  );
}
