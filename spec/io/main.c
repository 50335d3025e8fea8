/* Runs every spec of the rooms that touch the system. */
#include "../core/test.h"

void process_spec(void);
void locate_spec(void);
void client_spec(void);
void poller_spec(void);
void loop_spec(void);

int main(void) {
  process_spec();
  locate_spec();
  client_spec();
  poller_spec();
  loop_spec();
  return test_report("io");
}
