/* Admin: health and metrics. */
#ifndef KD_HTTP_ADMIN_H
#define KD_HTTP_ADMIN_H

struct request;

void admin_root(struct request *request);
void admin_livez(struct request *request);
void admin_readyz(struct request *request);
void admin_ping(struct request *request);
void admin_metrics(struct request *request);

#endif
