/* What a multiboot loader looks for, a stack, and on to C. */
	.set	MAGIC, 0x1badb002
	.set	FLAGS, 0

	.section .multiboot, "a"
	.align	4
	.long	MAGIC, FLAGS, -(MAGIC + FLAGS)

	.text
	.globl	_start
_start:
	cld
	movl	$stack_end, %esp
	pushl	%ebx			/* the loader's words to us */
	pushl	%eax
	call	kernel
1:	hlt
	jmp	1b

	.bss
	.align	16
	.skip	65536
stack_end:

	.section .note.GNU-stack, "", @progbits
