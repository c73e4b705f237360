#include "machine.h"

#define FIFO		16u
#define LINE_STATUS	5u
#define CAN_GET		0x01u
#define CAN_PUT		0x20u
#define TICKS_PER_MS	1193u		/* of the timer */
#define EXIT_PORT	0xf4u		/* -device isa-debug-exit */

static inline void
outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline uint8_t
inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

/* 115200 8N1, FIFOs on, no interrupts. */
static void
com_start(uint16_t com)
{
	outb(com + 1, 0);
	outb(com + 3, 0x80);
	outb(com + 0, 1);
	outb(com + 1, 0);
	outb(com + 3, 0x03);
	outb(com + 2, 0x07);
	outb(com + 4, 0x03);
}

void
machine_start(void)
{
	com_start(COM_PRINT);
	com_start(COM_LINE);
	outb(0x43, 0x34);		/* count down from 65536, again */
	outb(0x40, 0);
	outb(0x40, 0);
	machine_ms();
}

uint64_t
machine_ms(void)
{
	static uint64_t ms;
	static uint32_t ticks;
	static uint16_t last;
	uint16_t now;

	outb(0x43, 0);			/* hold it still */
	now = inb(0x40);
	now = (uint16_t)(now | inb(0x40) << 8);
	ticks += (uint16_t)(last - now);
	last = now;
	for (; ticks >= TICKS_PER_MS; ticks -= TICKS_PER_MS)
		ms++;
	return ms;
}

void
machine_end(bool good)
{
	outb(EXIT_PORT, good ? 0 : 1);	/* the emulator ends with 1 or 3 */
	for (;;)
		__asm__ volatile("cli; hlt");
}

int
com_get(uint16_t com)
{
	return inb(com + LINE_STATUS) & CAN_GET ? inb(com) : -1;
}

size_t
com_put(uint16_t com, const uint8_t *p, size_t n)
{
	size_t k;

	if ((inb(com + LINE_STATUS) & CAN_PUT) == 0)
		return 0;
	if (n > FIFO)
		n = FIFO;
	for (k = 0; k < n; k++)
		outb(com, p[k]);
	return n;
}

void
print_bytes(const void *p, size_t n)
{
	const uint8_t *b = p;
	size_t k;

	while (n > 0) {
		k = com_put(COM_PRINT, b, n);
		b += k;
		n -= k;
	}
}

void
print(const char *s)
{
	size_t n = 0;

	while (s[n] != 0)
		n++;
	print_bytes(s, n);
}

/* Without a division of 64 bits, which would need a library. */
void
print_number(uint64_t n)
{
	static const uint64_t powers[] = {
		10000000000000000000ull, 1000000000000000000ull,
		100000000000000000ull, 10000000000000000ull,
		1000000000000000ull, 100000000000000ull, 10000000000000ull,
		1000000000000ull, 100000000000ull, 10000000000ull,
		1000000000ull, 100000000ull, 10000000ull, 1000000ull,
		100000ull, 10000ull, 1000ull, 100ull, 10ull, 1ull,
	};
	bool begun = false;
	unsigned i;
	char digit;

	for (i = 0; i < 20; i++) {
		for (digit = '0'; n >= powers[i]; digit++)
			n -= powers[i];
		begun |= digit != '0' || i == 19;
		if (begun)
			print_bytes(&digit, 1);
	}
}
