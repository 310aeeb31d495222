# Mends what Thrift 0.17's C GLib generator writes into *_types.c:
# - struct classes do not call their parent's finalize: every freed object leaks what GObject keeps beside it (48 bytes;
#   half a kilobyte for each request);
# - a list is read as its declared type whatever type the sender gives, so that the reader goes astray in the bytes;
# - a binary field that comes twice is freed by the wrong function.
{ line[NR] = $0 }

# What the code behind a list's head reads, as a Thrift type.
function element_type(from,    i) {
	for (i = from; i < from + 40; i++) {
		if (line[i] ~ /thrift_struct_read/)
			return "T_STRUCT"
		if (line[i] ~ /thrift_protocol_read_(binary|string) /)
			return "T_STRING"
		if (line[i] ~ /thrift_protocol_read_i32 /)
			return "T_I32"
		if (line[i] ~ /thrift_protocol_read_i64 /)
			return "T_I64"
	}
	print "generated.awk: line " from ": a list of a type that is not known here" > "/dev/stderr"
	failed = 1
}

# Whether the member freed in line i is a byte array.
function is_bytes(member, i,    j) {
	for (j = i + 1; j < i + 14; j++)
		if (index(line[j], member " = g_byte_array_new"))
			return 1
	return 0
}

END {
	for (i = 1; i <= NR; i++) {
		if (line[i] ~ /_finalize \(GObject \*object\)$/)
			inside = 1
		if (inside && line[i] ~ /^}/) {
			print "  G_OBJECT_CLASS (g_type_class_peek (THRIFT_TYPE_STRUCT))->finalize (object);"
			inside = 0
		}
		if (match(line[i], /g_free\(this_object->[a-z_0-9]+\)/)) {
			member = substr(line[i], RSTART + 7, RLENGTH - 8)
			if (is_bytes(member, i))
				sub(/g_free/, "g_byte_array_unref", line[i])
		}
		print line[i]
		if (line[i] ~ /thrift_protocol_read_list_begin/) {
			print line[++i]		# return -1;
			print "            if (size > 0 && element_type != " element_type(i) ")"
			print "              return -1;"
		}
	}
	exit failed
}
