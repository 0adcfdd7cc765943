# Compiled from its source as it is.
from rsp.http.message cimport RequestHead, ResponseHead
