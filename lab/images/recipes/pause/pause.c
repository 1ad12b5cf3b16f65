/*
 * Holds a pod's namespaces open: waits for a signal, and as process 1 of the pod's
 * process namespace (where that is shared) it reaps what others leave behind.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void stop(int number)
{
	(void)number;
	_exit(0);
}

static void reap(int number)
{
	(void)number;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

int main(void)
{
	struct sigaction stopping = {.sa_handler = stop};
	struct sigaction reaping = {.sa_handler = reap, .sa_flags = SA_NOCLDSTOP};

	if (sigaction(SIGINT, &stopping, NULL) < 0 || sigaction(SIGTERM, &stopping, NULL) < 0 ||
	    sigaction(SIGCHLD, &reaping, NULL) < 0)
		return EXIT_FAILURE;
	for (;;)
		pause();
}
