//! Why a request is answered as it is: the same decisions, told in words.
