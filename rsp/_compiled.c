/* All compiled modules, linked to one shared object: it is mapped and relocated once instead of 157 times, and what the
 * modules call of Python is called over one table.  rsp/pure.py imports modules from it.
 *
 * setup.py writes modules.h, with a line MODULE(name, function that initialises it) for each. */
#include <Python.h>

#define MODULE(name, initialise) PyObject *initialise(void);
#include "modules.h"
#undef MODULE

static const struct {
    const char *name;
    PyObject *(*initialise)(void);
} modules[] = {
#define MODULE(name, initialise) {name, initialise},
#include "modules.h"
};

static const size_t COUNT = sizeof modules / sizeof *modules;

PyDoc_STRVAR(create_doc, "Returns a new module for a spec, as importlib's create_module(); raises ImportError.");

static PyObject *create(PyObject *Py_UNUSED(self), PyObject *spec) {
    PyObject *name = PyObject_GetAttrString(spec, "name");
    const char *text = name ? PyUnicode_AsUTF8(name) : NULL;
    PyObject *definition = NULL;
    if (text) {
        size_t number = 0;
        while (number < COUNT && strcmp(modules[number].name, text) != 0) number++;
        if (number < COUNT)
            definition = modules[number].initialise(); /* of a module in phases (PEP 489), as Cython makes them */
        else
            PyErr_Format(PyExc_ImportError, "no compiled module %U", name);
    }
    Py_XDECREF(name);
    return definition ? PyModule_FromDefAndSpec((PyModuleDef *)definition, spec) : NULL;
}

static PyMethodDef methods[] = {
    {"create", create, METH_O, create_doc},
    {NULL, NULL, 0, NULL},
};

static int add_names(PyObject *module) {
    PyObject *names = PyTuple_New((Py_ssize_t)COUNT);
    if (!names) return -1;
    for (size_t number = 0; number < COUNT; number++) {
        PyObject *name = PyUnicode_FromString(modules[number].name);
        if (!name) {
            Py_DECREF(names);
            return -1;
        }
        PyTuple_SET_ITEM(names, (Py_ssize_t)number, name);
    }
    int failed = PyModule_AddObjectRef(module, "names", names);
    Py_DECREF(names);
    return failed;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, add_names}, {0, NULL}};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "rsp._compiled",
    .m_doc = "All compiled modules of rsp.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__compiled(void) { return PyModuleDef_Init(&definition); }
